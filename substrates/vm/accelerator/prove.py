"""The proof: QEMU, a kernel, a tiny guest of ours, and a deadline.

QEMU is started directly, because the accelerator is tested and not libvirt. Each failure has its own message, and
nothing is left running. Out of scope: who may open /dev/kvm (`access`).
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import time
from functools import cache
from pathlib import Path

from machine import places
from machine.commands import run, until_line
from machine.errors import Unavailable, VmlabError
from machine.files import write
from substrates.vm.accelerator import access, initramfs

QEMU = "qemu-system-x86_64"
COMPILER = "gcc"
DEADLINE_SECONDS = 5.0  # a guest under KVM prints its line in less than one
LINE = "vmlab-tiny first-line"
SOURCE = Path(__file__).with_name("tiny.c")
STATIC = ["-static", "-Os", "-s", "-Wl,--build-id=none", "-Wall", "-Wextra", "-Werror"]
_FLAGS = [*STATIC, f'-DLINE="{LINE}"']
_MACHINE = "-M pc -m 128 -smp 1 -nodefaults -display none -serial stdio -no-reboot".split()  # noqa: SIM905
_WORDS = "console=ttyS0 quiet panic=-1"  # a kernel that panics ends the guest, with -no-reboot
_LINES = 3  # of QEMU's output in a reason


def obstacle() -> str:
    """Why no guest can be tried; empty when one can."""
    if reason := access.obstacle():
        return reason
    if shutil.which(QEMU) is None:
        return f"there is no {QEMU} to prove /dev/kvm with; vmlab host up libvirt"
    try:
        _initramfs()
    except VmlabError as error:
        return f"the guest that would prove /dev/kvm cannot be built: {_one_line(str(error).splitlines())}"
    return ""


def attempt(kernel: Path, name: str = "kvm", seconds: float = DEADLINE_SECONDS) -> tuple[float, str]:
    """Boot the tiny guest: the seconds to its line, and why the line did not come; empty when it came.

    `tcg` is the control: where the same guest fails emulated too, the fault is not KVM's."""
    command = [QEMU, "-accel", name, "-cpu", "host" if name == "kvm" else "max", *_MACHINE]
    files = ["-kernel", str(kernel), "-initrd", str(_initramfs()), "-append", _WORDS]
    started = time.monotonic()
    seen = until_line([*command, *files], LINE, seconds=seconds)
    took = time.monotonic() - started
    if seen.found:
        return took, ""
    opens = "/dev/kvm opens, but" if name == "kvm" else "emulated,"
    if seen.code is None:
        return took, f"{opens} a guest did not reach its first line in {seconds:g} s"
    printed = _one_line(seen.errors if seen.code else seen.output) or "it printed nothing"
    return took, f"{opens} QEMU {_ending(seen.code)} before a guest's first line: {printed}"


def key(kernel: Path) -> dict[str, str]:
    """What a verdict depends on: with any other value it is not valid."""
    return {
        "host_kernel": platform.release(),
        "cpu": _cpu(),
        "qemu": _qemu_version(),
        "kernel": _digest(kernel),
        "guest": _guest_key(),
        "access": "yes" if os.access(access.DEVICE, os.R_OK | os.W_OK) else "no",
    }


def _initramfs() -> Path:
    """The tiny guest, built once for its source and the compiler's flags."""
    folder = places.make(places.cache() / "accelerator" / _guest_key())
    target = folder / "initramfs"
    if not target.exists():
        binary = folder / f"init.{os.getpid()}"
        run([COMPILER, *_FLAGS, "-o", str(binary), str(SOURCE)])
        entries = [
            initramfs.directory("dev"),
            initramfs.character_device("dev/console", 5, 1),
            initramfs.program("init", binary.read_bytes()),
        ]
        binary.unlink()
        write(target, initramfs.archive(entries))
    return target


def _guest_key() -> str:
    return hashlib.sha256(SOURCE.read_bytes() + "\0".join(_FLAGS).encode()).hexdigest()[:16]


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _qemu_version() -> str:
    return run([QEMU, "--version"]).splitlines()[0]


def _digest(path: Path) -> str:
    try:
        found = path.stat()
        return _digest_of(path, found.st_mtime_ns, found.st_size)
    except OSError as error:
        raise Unavailable(
            f"the guest's kernel {path} cannot be read ({error.strerror})", "vmlab host up guest"
        ) from None


@cache
def _digest_of(path: Path, changed_ns: int, size: int) -> str:
    """Cached for a file of this time and size; a process asks often."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ending(code: int) -> str:
    """A code below 0 is a signal: QEMU aborts where KVM refuses a request."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _one_line(lines: list[str]) -> str:
    return " | ".join(line.strip() for line in lines[-_LINES:]).rstrip(".")
