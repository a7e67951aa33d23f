"""The wrappers of system calls, each made for real in a process of its own, in namespaces that end with it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from substrates import linux

ROOT = Path(__file__).resolve().parents[3]
BEGIN = """
import json, os, sys
from pathlib import Path
from substrates import linux
"""
USER = """
user, group = os.getuid(), os.getgid()
linux.unshare(linux.CLONE_NEWUSER | {flags})
Path("/proc/self/setgroups").write_text("deny")
Path("/proc/self/uid_map").write_text(f"0 {{user}} 1")
Path("/proc/self/gid_map").write_text(f"0 {{group}} 1")
"""


def inside(program: str, flags: str = "") -> Any:
    """What a program prints as JSON; with flags it is root of a user namespace of its own and of these."""
    text = BEGIN + (USER.format(flags=flags) if flags else "") + program
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    if "unshare: " in done.stderr:
        pytest.skip("user namespaces are not allowed here")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_unshare_and_sethostname() -> None:
    """A host name set in a UTS namespace is not the host's."""
    found = inside("linux.sethostname('vmlab-try')\nprint(json.dumps(os.uname()[1]))", "linux.CLONE_NEWUTS")

    assert found == "vmlab-try"
    assert Path("/proc/sys/kernel/hostname").read_text().strip() != "vmlab-try"


def test_mounts(tmp_path: Path) -> None:
    """mount, mount_setattr and umount act on the namespace's own table: a tmpfs appears, is made read-only, and goes."""
    program = f"""
target = Path({str(tmp_path)!r})
linux.mount("", Path("/"), "", linux.MS_REC | linux.MS_PRIVATE)
linux.mount("tmpfs", target, "tmpfs", linux.MS_NODEV, "size=64k")
(target / "x").write_text("x")
linux.mount_setattr(target, linux.MOUNT_ATTR_RDONLY)
try:
    (target / "y").write_text("y")
    second = "written"
except OSError as error:
    second = error.strerror
listed = sorted(path.name for path in target.iterdir())
linux.umount(target, linux.MNT_DETACH)
print(json.dumps([listed, second, sorted(path.name for path in target.iterdir())]))
"""
    assert inside(program, "linux.CLONE_NEWNS") == [["x"], "Read-only file system", []]
    assert list(tmp_path.iterdir()) == []


def test_pivot_root(tmp_path: Path) -> None:
    """After pivot_root the root is the new tree, and the old one is where it was put."""
    program = f"""
new = Path({str(tmp_path)!r})
linux.mount("", Path("/"), "", linux.MS_REC | linux.MS_PRIVATE)
linux.mount("tmpfs", new, "tmpfs", 0)
(new / "old").mkdir()
linux.pivot_root(new, new / "old")
os.chdir("/")
print(json.dumps([os.listdir("/"), Path("/old/proc/self").exists()]))
"""
    assert inside(program, "linux.CLONE_NEWNS") == [["old"], True]


def test_setns() -> None:
    """A process enters the namespace of a file, and is then in the very same."""
    program = """
before = os.readlink("/proc/self/ns/uts")
own = os.open("/proc/self/ns/uts", os.O_RDONLY)
linux.unshare(linux.CLONE_NEWUTS)
between = os.readlink("/proc/self/ns/uts")
linux.setns(Path(f"/proc/self/fd/{own}"), linux.CLONE_NEWUTS)
print(json.dumps([before, between, os.readlink("/proc/self/ns/uts")]))
"""
    before, between, after = inside(program, "linux.CLONE_NEWUTS")

    assert before == after != between


def test_capabilities() -> None:
    """The bounding set loses one, and the held sets are what was set."""
    program = """
had = linux.is_bounding(21)
linux.drop_bounding(21)
first = linux.capget()
linux.capset(0, 1 << 7, 0)
print(json.dumps([had, linux.is_bounding(21), first[0] > 0, linux.capget()]))
"""
    assert inside(program, "0") == [True, False, True, [0, 1 << 7, 0]]


def test_seccomp_and_no_new_privileges() -> None:
    """A filter refuses what it does not allow, and lets the rest through."""
    program = """
from substrates.rungs import seccomp
before = linux.has_no_new_privileges()
linux.no_new_privileges()
linux.seccomp(seccomp.program())
try:
    linux.unshare(linux.CLONE_NEWUTS)
    said = "made"
except PermissionError as error:
    said = str(error)
print(json.dumps([before, linux.has_no_new_privileges(), said, os.getpid() > 0]))
"""
    assert inside(program) == [False, True, "[Errno 1] unshare: Operation not permitted", True]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: linux.umount(Path("/nowhere")), "umount2"),
        (lambda: linux.mount("none", Path("/nowhere"), "tmpfs", 0), "mount"),
        (lambda: linux.mount_setattr(Path("/nowhere"), linux.MOUNT_ATTR_RDONLY), "mount_setattr"),
        (lambda: linux.pivot_root(Path("/nowhere"), Path("/nowhere")), "pivot_root"),
        (lambda: linux.setns(Path("/proc/self/ns/uts"), linux.CLONE_NEWNET), "setns"),
        (lambda: linux.is_bounding(1000), "prctl"),
        (lambda: linux.unshare(0x1), "unshare"),
    ],
)
def test_errors_say_which_call(call: Any, name: str) -> None:
    """A call that fails is an OSError with its number and the call's name."""
    with pytest.raises(OSError, match=f"{name}: ") as error:
        call()

    assert error.value.errno


def test_ctypes_has_one_door() -> None:
    """No other module of ours touches ctypes."""
    folders = ("components", "engine", "host", "lab", "providers", "service", "substrates")
    code = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    found = [path for path in code if re.search(r"^\s*(import|from) ctypes", path.read_text(), re.MULTILINE)]

    assert [path.relative_to(ROOT) for path in found] == [Path("substrates/linux.py")]
