"""The proof: QEMU, a kernel, a tiny guest of ours, and a deadline.

QEMU is started directly, because what is in question is the accelerator and not libvirt. Every way in which it can go wrong
has a sentence of its own, and after each nothing is left running.
"""

from __future__ import annotations

import grp
import hashlib
import os
import platform
import pwd
import shutil
import signal
import stat
import time
from functools import cache
from pathlib import Path

from machine import places
from machine.commands import run, until_line
from machine.errors import Unavailable, VmlabError
from substrates.vm.accelerator import initramfs

DEVICE = Path("/dev/kvm")
QEMU = "qemu-system-x86_64"
COMPILER = "gcc"
QEMU_USER = "libvirt-qemu"  # Debian's libvirt runs guests as this user
ACCESS_LIST = "system.posix_acl_access"
DEADLINE_SECONDS = 5.0  # a guest under KVM says its line in less than one
LINE = "vmlab-tiny first-line"
SOURCE = Path(__file__).with_name("tiny.c")
_FLAGS = ["-static", "-Os", "-s", "-Wl,--build-id=none", "-Wall", "-Wextra", "-Werror", f'-DLINE="{LINE}"']
_MACHINE = [
    "-M",
    "pc",
    "-m",
    "128",
    "-smp",
    "1",
    "-nodefaults",
    "-display",
    "none",
    "-serial",
    "stdio",
    "-no-reboot",
]
_WORDS = "console=ttyS0 quiet panic=-1"  # a kernel that panics ends the guest, with -no-reboot
_TOLD = 3  # lines of QEMU's standard error in a reason


def obstacle() -> str:
    """Why there is nothing to prove; empty when a guest can be tried."""
    if reason := _closed():
        return reason
    if shutil.which(QEMU) is None:
        return f"there is no {QEMU} to prove /dev/kvm with; vmlab host up libvirt"
    try:
        _initramfs()
    except VmlabError as error:
        return f"the guest that would prove /dev/kvm cannot be built: {_one_line(str(error).splitlines())}"
    return ""


def attempt(kernel: Path, name: str = "kvm", seconds: float = DEADLINE_SECONDS) -> tuple[float, str]:
    """Boot the tiny guest: the seconds to its line, and why it did not come; empty when it came.

    With `tcg` it is the control: where the same guest does not come emulated either, the fault is not KVM's."""
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
    said = _one_line(seen.errors if seen.code else seen.output) or "it said nothing"
    return took, f"{opens} QEMU {_ending(seen.code)} before a guest's first line: {said}"


def key(kernel: Path) -> dict[str, str]:
    """What a verdict depends on: with any of these another, it is no longer known."""
    return {
        "host_kernel": platform.release(),
        "cpu": _cpu(),
        "qemu": _qemu_version(),
        "kernel": _digest(kernel),
        "guest": _guest_key(),
        "access": "yes" if os.access(DEVICE, os.R_OK | os.W_OK) else "no",
    }


def excluded_user() -> str:
    """Why libvirt's guests cannot open /dev/kvm although we can; empty when they can, or there is no such user.

    An access list is not read: where there is one, it is believed to let them in."""
    try:
        account, found = pwd.getpwnam(QEMU_USER), DEVICE.stat()
        if ACCESS_LIST in os.listxattr(DEVICE):
            return ""
    except (KeyError, OSError):
        return ""
    groups = os.getgrouplist(QEMU_USER, account.pw_gid)
    if found.st_uid == account.pw_uid:
        wanted = stat.S_IRUSR | stat.S_IWUSR
    elif found.st_gid in groups:
        wanted = stat.S_IRGRP | stat.S_IWGRP
    else:
        wanted = stat.S_IROTH | stat.S_IWOTH
    if found.st_mode & wanted == wanted:
        return ""
    return f"libvirt runs them as {QEMU_USER}, which {_not_allowed(found, QEMU_USER, str(DEVICE))}"


def _closed() -> str:
    """Why this user cannot open /dev/kvm."""
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return (
            "there is no /dev/kvm: the CPU or the machine around this one offers no virtualisation, "
            "or the kvm module is not loaded (modprobe kvm_intel or kvm_amd)"
        )
    except PermissionError:
        user = pwd.getpwuid(os.geteuid()).pw_name
        return f"/dev/kvm cannot be opened: {user} {_not_allowed(DEVICE.stat(), user)}"
    except OSError as error:
        return f"/dev/kvm cannot be opened: {error.strerror}"
    return ""


def _not_allowed(found: os.stat_result, user: str, device: str = "it") -> str:
    """Who may, and how this user becomes one of them; a device that only root may open has no such group."""
    owner, mode = _name_of_group(found.st_gid), stat.S_IMODE(found.st_mode)
    shown = f"may not open {device} (mode {mode:04o}, group {owner})"
    if mode & 0o060 != 0o060 or found.st_gid == 0:
        return f"{shown}; chgrp kvm /dev/kvm && chmod 0660 /dev/kvm && usermod -aG kvm {user}"
    return f"{shown}; usermod -aG {owner} {user}, and log in again"


def _name_of_group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _initramfs() -> Path:
    """The tiny guest, built once for its source and the compiler's flags."""
    folder = places.make(places.cache() / "accelerator" / _guest_key())
    target = folder / "initramfs"
    if not target.exists():
        binary, fresh = (folder / f"{name}.{os.getpid()}" for name in ("init", "initramfs"))
        run([COMPILER, *_FLAGS, "-o", str(binary), str(SOURCE)])
        entries = [
            initramfs.directory("dev"),
            initramfs.character_device("dev/console", 5, 1),
            initramfs.program("init", binary.read_bytes()),
        ]
        fresh.write_bytes(initramfs.archive(entries))
        binary.unlink()
        fresh.replace(target)
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
    """Of a file as it was at that time; a process asks again and again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ending(code: int) -> str:
    """A code below 0 is a signal's: QEMU aborts where KVM refuses what it asks for."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _one_line(lines: list[str]) -> str:
    return " | ".join(line.strip() for line in lines[-_TOLD:]).rstrip(".")
