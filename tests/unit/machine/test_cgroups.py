"""What limits and counts a process, read from recorded trees of version 1, of a hybrid, and of version 2.

The hybrid is this project's build machine (a tmpfs with a mount for each controller, version 2 beside them without any);
version 1 has joint mounts, as Debian 9 with systemd; version 2 is a plain Debian 12.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from machine import cgroups
from machine.cgroups import Held, folders

PID = 4711
NOTHING_1 = "9223372036854771712"
HYBRID = "9:name=systemd:/\n8:pids:/vmlab/a\n4:memory:/vmlab/a\n2:cpuacct:/\n1:cpu:/vmlab/a\n0::/\n"
JOINT = "11:pids:/docker/a\n5:memory:/docker/a\n3:cpu,cpuacct:/docker/a\n1:name=systemd:/docker/a\n"
UNIFIED = "0::/system.slice/docker-a.scope\n"
LIMITS_1 = {
    "memory/{at}/memory.limit_in_bytes": "536870912",
    "memory/{at}/memory.usage_in_bytes": "4096",
    "{cpu}/{at}/cpu.cfs_quota_us": "150000",
    "{cpu}/{at}/cpu.cfs_period_us": "100000",
    "pids/{at}/pids.max": "256",
}
LIMITS_2 = {
    "memory.max": "536870912",
    "memory.current": "4096",
    "cpu.max": "150000 100000",
    "pids.max": "256",
}
TREES = {
    "hybrid": (
        HYBRID,
        {
            **{path.format(at="vmlab/a", cpu="cpu"): text for path, text in LIMITS_1.items()},
            "unified/cgroup.procs": "",
        },
    ),
    "version 1": (
        JOINT,
        {path.format(at="docker/a", cpu="cpu,cpuacct"): text for path, text in LIMITS_1.items()},
    ),
    "version 2": (UNIFIED, {f"system.slice/docker-a.scope/{name}": text for name, text in LIMITS_2.items()}),
}
Tree = tuple[Path, Path]


@pytest.fixture
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recorded tree of this kind, in the place of the machine's; the folder with its mounts."""
    rows, files = TREES[request.param]
    proc, mounts = tmp_path / "proc", tmp_path / "cgroup"
    (proc / str(PID)).mkdir(parents=True)
    (proc / str(PID) / "cgroup").write_text(rows)
    for path, text in files.items():
        (mounts / path).parent.mkdir(parents=True, exist_ok=True)
        (mounts / path).write_text(f"{text}\n")
    monkeypatch.setattr(cgroups, "folders", lambda pid: folders(pid, proc, mounts))
    return mounts


every = pytest.mark.parametrize("tree", TREES, indirect=True)


@every
def test_limits_are_read_from_the_processs_own_group(tree: Path) -> None:
    """CPU time, memory and processes are the same on every version, wherever its controllers are mounted."""
    assert cgroups.held(PID) == Held(1.5, 512 * 1024**2, 256)
    assert cgroups.memory_bytes(PID) == 4096


@every
def test_a_change_from_outside_is_read(tree: Path) -> None:
    """What was written into the running group's files is what is reported."""
    for path in tree.rglob("*"):
        if path.name in ("memory.limit_in_bytes", "memory.max"):
            path.write_text("67108864\n")
        if path.name in ("cpu.cfs_quota_us", "cpu.max"):
            path.write_text("50000\n" if path.name == "cpu.cfs_quota_us" else "50000 100000\n")

    assert cgroups.held(PID) == Held(0.5, 64 * 1024**2, 256)


@every
def test_what_is_not_limited_is_none(tree: Path) -> None:
    """The kernel's values for "no limit" are None: -1 and nearly 2**63 in version 1, "max" in version 2."""
    for path in tree.rglob("*"):
        if path.name in ("memory.limit_in_bytes", "memory.max"):
            path.write_text(NOTHING_1 if path.name == "memory.limit_in_bytes" else "max")
        if path.name in ("cpu.cfs_quota_us", "cpu.max"):
            path.write_text("-1" if path.name == "cpu.cfs_quota_us" else "max 100000")
        if path.name == "pids.max":
            path.write_text("max")

    assert cgroups.held(PID) == Held(None, None, None)


@every
def test_a_process_that_has_ended_has_no_group(tree: Path) -> None:
    """It is not reported as unlimited."""
    assert cgroups.held(PID + 1) is None
    assert cgroups.memory_bytes(PID + 1) is None


@pytest.mark.parametrize("tree", ["hybrid"], indirect=True)
def test_a_group_above_is_counted(tree: Path) -> None:
    """The memory of the level above is that of the same controller's tree."""
    (tree / "memory" / "vmlab" / "memory.usage_in_bytes").write_text("8192\n")
    assert cgroups.memory_bytes(PID, above=1) == 8192


def test_this_machine_is_read() -> None:
    """The reader's own process has a group on any machine with cgroups, and every folder that it names exists."""
    if cgroups.detect().mode == "none":
        pytest.skip("this machine has no cgroups")
    found = folders(os.getpid())
    assert cgroups.held(os.getpid()) is not None
    named = {name: path for name, path in found.items() if name in ("cpu", "memory", "pids")}
    assert all(path.is_dir() for path in named.values()), named
