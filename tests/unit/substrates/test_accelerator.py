"""The proof with faults put in: a QEMU that answers, aborts, hangs, is mute or absent, and a /dev/kvm that is closed.

QEMU is a script on PATH, and /dev/kvm a file, so that each fault happens on any machine. The real ones are in
tests/live/lab/test_accelerator.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from machine import places
from machine.commands import until_line
from machine.errors import InvalidInput, Unavailable, VmlabError
from substrates.vm import accelerator
from substrates.vm.accelerator import Accelerator, access, prove

ANSWERS = f'echo "a kernel says"; echo "{prove.LINE}"; exec sleep 60'
ABORTS = 'echo "warning: odd" >&2; echo "Assertion failed." >&2; kill -ABRT $$'
HANGS = 'echo "SeaBIOS"; exec sleep 60'
MUTE = "exit 3"
PANICS = 'echo "Kernel panic - not syncing: No working init found."; exit 0'
CHATTERS = "while :; do echo nothing; done"

FakeQemu = Callable[..., None]


@pytest.fixture
def kernel(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel file, a /dev/kvm that opens, a guest that is built already, and nothing in the environment."""
    monkeypatch.delenv(accelerator.VARIABLE, raising=False)
    monkeypatch.setattr(access, "DEVICE", tmp_path / "kvm")
    monkeypatch.setattr(prove, "DEADLINE_SECONDS", 1.0)
    monkeypatch.setattr(access, "QEMU_USER", "no-such-user")
    built = places.make(places.cache() / "accelerator" / prove._guest_key())
    (built / "initramfs").write_bytes(b"")
    (tmp_path / "kvm").touch()
    (tmp_path / "vmlinux").write_bytes(b"a kernel")
    return tmp_path / "vmlinux"


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeQemu:
    """Puts a QEMU on PATH that does what it is told; each start is a line in `starts`."""
    program = tmp_path / "bin" / prove.QEMU
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    attempt = prove.attempt
    monkeypatch.setattr(prove, "attempt", lambda kernel: attempt(kernel, seconds=prove.DEADLINE_SECONDS))

    def does(body: str, version: str = "9.1") -> None:
        """The script is replaced as a whole; its processes are known by the test's folder in their environment."""
        lines = [f'[ "$1" = --version ] && echo "QEMU emulator version {version}" && exit']
        lines += [f"echo start >> {tmp_path}/starts", body]
        program.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        program.chmod(0o755)

    return does


def starts(folder: Path) -> int:
    """How often a guest was tried."""
    path = folder / "starts"
    return path.read_text().count("start") if path.exists() else 0


def left(folder: Path) -> list[str]:
    """Living processes of a fake QEMU: they have the test's folder in their PATH."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (
                entry.name != str(os.getpid())
                and f"{folder}/bin".encode() in (entry / "environ").read_bytes()
            ):
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return [command for command in found if command]


def test_a_guest_that_says_its_line_proves_kvm(kernel: Path, qemu: FakeQemu, tmp_path: Path) -> None:
    """KVM is taken when the line came, with how long it took; the guest does not stay."""
    qemu(ANSWERS)

    found = accelerator.proven(kernel)

    assert found.name == "kvm"
    assert found.reason.startswith("a guest reached its first line under KVM in ")
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            ABORTS,
            "/dev/kvm opens, but QEMU was ended by SIGABRT before a guest's first line: warning: odd | Assertion failed",
        ),
        (HANGS, "/dev/kvm opens, but a guest did not reach its first line in 1 s"),
        (CHATTERS, "/dev/kvm opens, but a guest did not reach its first line in 1 s"),
        (MUTE, "/dev/kvm opens, but QEMU ended with code 3 before a guest's first line: it printed nothing"),
        (PANICS, "/dev/kvm opens, but QEMU ended with code 0 before a guest's first line: Kernel panic - not "
         "syncing: No working init found"),
    ],
)  # fmt: skip
def test_each_fault_has_its_reason(
    kernel: Path, qemu: FakeQemu, tmp_path: Path, body: str, reason: str
) -> None:
    """Guests are emulated then; the reason says which fault it was, in time, and nothing stays behind."""
    qemu(body)
    before = time.monotonic()

    assert accelerator.proven(kernel) == Accelerator("tcg", reason)

    assert time.monotonic() - before < prove.DEADLINE_SECONDS + 3
    assert left(tmp_path) == []


def test_kvm_that_was_asked_for_is_refused_with_the_reason(kernel: Path, qemu: FakeQemu) -> None:
    """Nothing else is taken in silence."""
    qemu(HANGS)

    with pytest.raises(
        InvalidInput, match="KVM was asked for and cannot be used: /dev/kvm opens, but a guest did not"
    ):
        accelerator.proven(kernel, "kvm")


def test_tcg_never_tries_a_guest(kernel: Path, qemu: FakeQemu, tmp_path: Path) -> None:
    """Who asks for emulation waits for nothing, even without a kernel file."""
    qemu(HANGS)

    assert accelerator.proven(tmp_path / "absent", "tcg") == Accelerator("tcg", "asked for")
    assert starts(tmp_path) == 0


def test_the_environment_chooses(kernel: Path, qemu: FakeQemu, monkeypatch: pytest.MonkeyPatch) -> None:
    """VMLAB_ACCELERATOR is the choice where the call has none; empty is auto, and a wrong word is refused."""
    qemu(ANSWERS)
    monkeypatch.setenv(accelerator.VARIABLE, "tcg")
    assert accelerator.proven(kernel).name == "tcg"
    assert accelerator.proven(kernel, "kvm").name == "kvm"

    monkeypatch.setenv(accelerator.VARIABLE, "")
    assert accelerator.proven(kernel).name == "kvm"

    monkeypatch.setenv(accelerator.VARIABLE, "xen")
    with pytest.raises(InvalidInput, match="VMLAB_ACCELERATOR is one of auto, kvm, tcg, not 'xen'"):
        accelerator.proven(kernel)


@pytest.mark.parametrize("body", [ANSWERS, ABORTS])
def test_the_verdict_is_cached(kernel: Path, qemu: FakeQemu, tmp_path: Path, body: str) -> None:
    """A guest is tried once for a machine, whichever way it went."""
    qemu(body)

    first = accelerator.proven(kernel)

    assert accelerator.proven(kernel) == first
    assert starts(tmp_path) == 1


@pytest.mark.parametrize("part", ["host_kernel", "cpu", "qemu", "kernel", "guest", "access"])
def test_another_machine_is_tried_again(kernel: Path, qemu: FakeQemu, tmp_path: Path, part: str) -> None:
    """A verdict holds for one host kernel, CPU, QEMU, guest kernel, probe, and right to open /dev/kvm."""
    qemu(ANSWERS)
    accelerator.proven(kernel)
    path = places.cache() / "accelerator.json"
    document = json.loads(path.read_text())
    assert document["key"][part] == prove.key(kernel)[part] != ""
    document["key"][part] = "another"
    path.write_text(json.dumps(document))

    accelerator.proven(kernel)

    assert starts(tmp_path) == 2


def test_a_new_qemu_or_kernel_file_is_seen(kernel: Path, qemu: FakeQemu, tmp_path: Path) -> None:
    """An upgrade of either makes the old verdict void."""
    qemu(ABORTS)
    accelerator.proven(kernel)
    qemu(ANSWERS, version="9.2")
    assert accelerator.proven(kernel).name == "kvm"

    kernel.write_bytes(b"another kernel")
    accelerator.proven(kernel)

    assert starts(tmp_path) == 3


def test_a_torn_cache_is_no_verdict(kernel: Path, qemu: FakeQemu) -> None:
    """What a killed or hostile writer left is read as nothing."""
    qemu(ANSWERS)
    for text in ("", "{", "[]", '{"key": {}, "verdict": 1}', '{"key": {}, "verdict": {"name": "tcg"}}'):
        (places.cache() / "accelerator.json").write_text(text)

        assert accelerator.proven(kernel).name == "kvm"


def test_a_mended_machine_is_believed(kernel: Path, qemu: FakeQemu, tmp_path: Path) -> None:
    """`again`, and whoever asks for KVM, tries once more after a bad verdict, and not after a good one."""
    qemu(ABORTS)
    assert accelerator.proven(kernel).name == "tcg"
    qemu(ANSWERS)

    assert accelerator.proven(kernel).name == "tcg"
    assert accelerator.proven(kernel, "kvm").name == "kvm"
    assert accelerator.proven(kernel, "auto", again=True).name == "kvm"

    assert starts(tmp_path) == 2


def test_no_device(kernel: Path, qemu: FakeQemu, tmp_path: Path) -> None:
    """Without /dev/kvm nothing is tried and nothing is cached, because it may come with a module."""
    qemu(ANSWERS)
    (tmp_path / "kvm").unlink()

    assert accelerator.proven(kernel).reason.startswith("there is no /dev/kvm: ")

    assert starts(tmp_path) == 0
    assert not (places.cache() / "accelerator.json").exists()


def test_a_device_that_this_user_may_not_open(
    kernel: Path, qemu: FakeQemu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason names the user, the device's mode and group, and the command that adds the one to the other."""

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    qemu(ANSWERS)
    access.DEVICE.chmod(0o660)
    os.chown(access.DEVICE, -1, 5)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        reason = prove.obstacle()

    assert "/dev/kvm cannot be opened: " in reason
    assert "may not open it (mode 0660, group tty); usermod -aG tty " in reason


def test_a_device_that_cannot_work(kernel: Path, qemu: FakeQemu, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel says of it is in the reason."""

    def refuse(*_: object) -> int:
        raise OSError(19, "No such device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        reason = prove.obstacle()

    assert reason == "/dev/kvm cannot be opened: No such device"


def test_no_qemu(kernel: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without QEMU the reason is what installs it."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))

    found = accelerator.proven(kernel)

    assert found == Accelerator(
        "tcg", f"there is no {prove.QEMU} to prove /dev/kvm with; vmlab host up libvirt"
    )


def test_no_compiler(kernel: Path, qemu: FakeQemu, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that cannot be built proves nothing: emulated, why, and asked again next time."""
    qemu(ANSWERS)
    monkeypatch.setattr(prove, "COMPILER", "no-such-compiler")
    (places.cache() / "accelerator" / prove._guest_key() / "initramfs").unlink()

    assert "cannot be built: no-such-compiler: no such command" in accelerator.proven(kernel).reason
    assert not (places.cache() / "accelerator.json").exists()


def test_no_kernel_file(kernel: Path, qemu: FakeQemu, tmp_path: Path) -> None:
    """A kernel that is not there is what `host up` mends, and no verdict on KVM."""
    qemu(ANSWERS)

    with pytest.raises(Unavailable, match="absent cannot be read"):
        accelerator.proven(tmp_path / "absent")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_libvirts_user_is_looked_at(kernel: Path, qemu: FakeQemu, monkeypatch: pytest.MonkeyPatch) -> None:
    """KVM that works for us alone is not taken, and refused with that reason to who asks for it; a chmod mends it."""
    qemu(ANSWERS)
    monkeypatch.setattr(access, "QEMU_USER", "nobody")
    access.DEVICE.chmod(0o660)

    for found in (accelerator.proven(kernel), accelerator.proven(kernel)):  # proven, and from the cache
        assert found.name == "tcg"
        assert found.reason.startswith(
            f"a guest runs under KVM here, but libvirt runs them as nobody, which may not open {access.DEVICE} (mode 0660"
        )
    with pytest.raises(
        InvalidInput, match=r"KVM was asked for and cannot be used: a guest runs .* nobody, which may"
    ):
        accelerator.proven(kernel, "kvm")
    access.DEVICE.chmod(0o666)
    assert accelerator.proven(kernel).name == accelerator.proven(kernel, "kvm").name == "kvm"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_an_access_list_is_believed(kernel: Path, qemu: FakeQemu, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where libvirt's user may be let in by an access list, KVM is not refused for the sake of the mode."""
    qemu(ANSWERS)
    monkeypatch.setattr(access, "QEMU_USER", "nobody")
    monkeypatch.setattr(os, "listxattr", lambda path: [access.ACCESS_LIST] if path == access.DEVICE else [])
    access.DEVICE.chmod(0o660)

    assert accelerator.proven(kernel, "kvm").name == "kvm"


def test_a_guest_dies_with_who_started_it(tmp_path: Path) -> None:
    """kill -9 of the prover leaves no QEMU: it is bound to the thread that waits for it."""
    mark = tmp_path / "pid"
    program = (
        "from machine.commands import until_line; "
        f"until_line(['/bin/sh', '-c', 'echo $$ > {mark}; exec sleep 60'], 'never', seconds=60)"
    )
    child = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).resolve().parents[3])
    try:
        _await(lambda: mark.exists() and mark.read_text().strip().isdecimal())
        guest = int(mark.read_text())
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(5)

    _await(lambda: not Path(f"/proc/{guest}").exists() or b"sleep" not in _command(guest))


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _await(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_watching_a_command() -> None:
    """What a command says before its end is kept: the line, the exit code, both outputs; its children go with it."""
    seen = until_line(["/bin/sh", "-c", "sleep 60 & echo $!; echo two >&2; exit 3"], "never", seconds=0.5)
    assert (seen.found, seen.code, seen.errors) == (False, 3, ["two"])
    _await(lambda: b"sleep" not in _command(int(seen.output[0])))

    assert until_line(["/bin/sh", "-c", "printf o; printf ne"], "one", seconds=5).found
    with pytest.raises(VmlabError, match="no-such-command: no such command"):
        until_line(["no-such-command"], "one", seconds=5)
