"""Cgroups of both versions, on recorded trees: what is written where, what is read back, what is removed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from machine.errors import Unavailable, VmlabError
from substrates.rungs import cgroups
from substrates.rungs.cgroups import Held

MIB = 1024**2
HELD = Held(0.5, 64 * MIB, 32)
# As a Debian 12 with systemd has them: the files of the root and of a group that has the three controllers.
ROOT_2 = {
    "cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
    "cgroup.subtree_control": "memory pids\n",
}
GROUP_2 = {
    "cgroup.procs": "",
    "cpu.max": "max 100000\n",
    "memory.current": "4096\n",
    "memory.max": "max\n",
    "memory.swap.max": "max\n",
    "pids.max": "max\n",
}
GROUP_1 = {
    "cpu": {"cpu.cfs_period_us": "100000\n", "cpu.cfs_quota_us": "-1\n"},
    "memory": {"memory.limit_in_bytes": "9223372036854771712\n", "memory.usage_in_bytes": "4096\n"},
    "pids": {"pids.max": "max\n"},
}


def laid(folder: Path, files: dict[str, str]) -> Path:
    """A folder with these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def version_2(tmp_path: Path) -> cgroups.Cgroups:
    """A recorded tree of version 2."""
    laid(tmp_path, ROOT_2)
    return cgroups.here(tmp_path)


@pytest.fixture
def version_1(tmp_path: Path) -> cgroups.Cgroups:
    """Recorded trees of version 1, with version 2 beside them without controllers: a hybrid."""
    for controller in cgroups.CONTROLLERS:
        laid(tmp_path / controller, {"cgroup.procs": ""})
    laid(tmp_path / "unified", {"cgroup.controllers": "\n"})
    return cgroups.here(tmp_path)


def carried_out(found: cgroups.Cgroups, name: str, group: dict[str, dict[str, str]]) -> None:
    """What the launcher does with a plan: folders, whose files the kernel makes, then the settings."""
    for folder in [*found.bases(), *found.folders(name)]:
        laid(folder, group.get(folder.parent.parent.name, GROUP_2))
        for path, text in found.opening(folder):
            path.write_text(text)
    for path, text in found.settings(name, HELD):
        assert path.exists(), path
        path.write_text(text)
    for path, text in found.extras(name, HELD):
        if path.exists():
            path.write_text(text)


def test_version_2(version_2: cgroups.Cgroups, tmp_path: Path) -> None:
    """One folder; the controllers are handed down on both levels above it; CPU time is a quota and a period; no swap."""
    carried_out(version_2, "a", {})
    folder = tmp_path / cgroups.base() / "a"

    assert version_2.folders("a") == [folder]
    assert version_2.birthplace("a") == folder
    assert version_2.entrances("a") == []
    for level in (tmp_path, folder.parent):
        assert (level / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert not (folder / "cgroup.subtree_control").exists()
    assert (folder / "cpu.max").read_text() == "50000 100000"
    assert (folder / "memory.swap.max").read_text() == "0"


def test_version_1(version_1: cgroups.Cgroups, tmp_path: Path) -> None:
    """A folder in each controller's tree, which the child enters by `tasks`; nothing has to be handed down."""
    carried_out(version_1, "a", GROUP_1)
    base = cgroups.base()

    assert version_1.folders("a") == [tmp_path / name / base / "a" for name in ("cpu", "memory", "pids")]
    assert version_1.birthplace("a") is None
    assert [path.name for path in version_1.entrances("a")] == ["tasks"] * 3
    assert (tmp_path / "cpu" / base / "a" / "cpu.cfs_quota_us").read_text() == "50000"


def test_memory_with_swap_is_held_where_it_is_counted(version_1: cgroups.Cgroups, tmp_path: Path) -> None:
    """A kernel that counts swap gets the same limit for both together."""
    group = {
        **GROUP_1,
        "memory": {**GROUP_1["memory"], "memory.memsw.limit_in_bytes": "9223372036854771712\n"},
    }
    carried_out(version_1, "a", group)

    file = tmp_path / "memory" / cgroups.base() / "a" / "memory.memsw.limit_in_bytes"
    assert file.read_text() == str(64 * MIB)


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_members_and_names(version: str, request: pytest.FixtureRequest) -> None:
    """Who is in a copy's groups, and which copies have one."""
    found: cgroups.Cgroups = request.getfixturevalue(version)
    for name in ("b", "a"):
        for folder in found.folders(name):
            laid(folder, {"cgroup.procs": "12\n7\n" if name == "a" else ""})

    assert found.names() == ["a", "b"]
    assert found.members("a") == [7, 12]
    assert found.members("b") == found.members("gone") == []


def test_removing_ends_what_is_inside(version_2: cgroups.Cgroups, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group with a process in it loses the process, and then goes; one that does not become empty is an error with names."""
    (folder,) = version_2.folders("a")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    laid(folder, {"cgroup.procs": f"{child.pid}\n"})
    monkeypatch.setattr(cgroups, "EMPTY_SECONDS", 0.05)

    with pytest.raises(VmlabError, match=f"does not become empty; in it are \\[{child.pid}\\]"):
        version_2.remove("a")

    assert child.wait(5) == -9
    shutil.rmtree(folder)
    folder.mkdir()
    version_2.remove("a")
    version_2.remove_bases()
    assert not folder.parent.exists()
    version_2.remove("a")


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_nothing_forks_while_it_is_ended(
    version: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first process of a group is killed its limit of processes is 0; a group that is gone gets no file."""
    found: cgroups.Cgroups = request.getfixturevalue(version)
    carried_out(found, "a", GROUP_1)
    for folder in found.folders("a"):
        (folder / "cgroup.procs").write_text("12\n")
    seen = []

    def kill(pid: int, _signal: int) -> None:
        seen.append((pid, found.count_file("a").read_text()))
        for folder in found.folders("a"):
            shutil.rmtree(folder)
            folder.mkdir()

    monkeypatch.setattr("os.kill", kill)
    found.remove("a")
    found.remove("a")

    assert seen == [(12, "0")]
    assert found.names() == []


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_a_share_of_cpu_time_is_rounded(version: str, request: pytest.FixtureRequest) -> None:
    """0.29 of a period, which is a little less in floating point, is 29000 microseconds."""
    found: cgroups.Cgroups = request.getfixturevalue(version)
    carried_out(found, "a", GROUP_1)
    for path, text in found.settings("a", Held(0.29, 64 * MIB, 32)):
        path.write_text(text)

    assert "29000" in [text.split()[0] for _, text in found.settings("a", Held(0.29, 64 * MIB, 32))]


def test_bases_stay_while_there_is_a_copy(version_1: cgroups.Cgroups) -> None:
    """The lab's own level is removed only when it is empty."""
    for folder in version_1.folders("a"):
        folder.mkdir(parents=True)
    version_1.remove_bases()
    assert all(base.exists() for base in version_1.bases())

    version_1.remove("a")
    version_1.remove_bases()
    assert not any(base.exists() for base in version_1.bases())


def test_change_takes_turns(version_1: cgroups.Cgroups, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that the kernel refuses before another one was made is tried again; one that it never takes is an error."""
    carried_out(version_1, "a", GROUP_1)
    refused = [version_1.folders("a")[1] / "memory.limit_in_bytes"]
    write = cgroups._written

    def once(path: Path, text: str) -> bool:
        if path in refused:
            refused.remove(path)
            return False
        return write(path, text)

    monkeypatch.setattr(cgroups, "_written", once)
    version_1.change("a", Held(2.0, 128 * MIB, 8))
    cpu, memory, pids = version_1.folders("a")
    assert (cpu / "cpu.cfs_quota_us").read_text() == "200000"
    assert (memory / "memory.limit_in_bytes").read_text() == str(128 * MIB)
    assert (pids / "pids.max").read_text() == "8"

    monkeypatch.setattr(cgroups, "_written", lambda path, text: path.name != "pids.max")
    with pytest.raises(VmlabError, match=r"the kernel does not accept 8 for .*pids\.max"):
        version_1.change("a", Held(2.0, 128 * MIB, 8))


def test_a_missing_controller(tmp_path: Path) -> None:
    """Where the kernel has no such controller the limits are unavailable, with its name and what to do."""
    laid(tmp_path, {"cgroup.controllers": "cpu pids\n"})
    with pytest.raises(Unavailable, match="no cgroup controller memory"):
        cgroups.here(tmp_path)
    (tmp_path / "cgroup.controllers").unlink()
    laid(tmp_path / "cpu", {"cgroup.procs": ""})
    with pytest.raises(Unavailable, match="no cgroup controller memory, pids"):
        cgroups.here(tmp_path)


def test_each_home_has_a_level_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is swept in one VMLAB_HOME is never another's."""
    monkeypatch.delenv("VMLAB_HOME", raising=False)
    assert cgroups.base() == "vmlab"
    monkeypatch.setenv("VMLAB_HOME", "/a")
    first = cgroups.base()
    monkeypatch.setenv("VMLAB_HOME", "/b")
    assert len({"vmlab", first, cgroups.base()}) == 3
