"""Copies of a runtime alone, with a script in the runtime's place: what is left of one is found, ended and taken away.

The script does as runc does, as far as it matters here: it keeps a folder of the container's name, and starts what the bundle
says with the bundle's environment. A real runc is in tests/live/ladder.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machine import processes
from machine.commands import launch
from machine.errors import NeverAnswered, VmlabError
from substrates import oci
from substrates.contract import Request, Slot
from substrates.copies.records import MARK

RUNTIME = """#!{python} -ISs
import json, os, shutil, subprocess, sys
state = sys.argv[2] + "/" + sys.argv[-1]
with open("{calls}", "a") as calls:
    calls.write(" ".join(sys.argv[3:]) + "\\n")
if sys.argv[3] == "run":
    {before}
    os.makedirs(state)
    given = json.load(open("config.json"))["process"]
    subprocess.Popen(["sleep", "600"], env=dict(row.split("=", 1) for row in given["env"]), start_new_session=True)
else:
    shutil.rmtree(state)
    shutil.rmtree("{groups}/memory", ignore_errors=True)
"""
STUCK = "import time; time.sleep(600)"
BOOT = """
import pathlib, sys
from substrates import oci
from substrates.contract import Request, Slot
oci.CGROUPS = pathlib.Path(sys.argv[1])
oci.boot(oci.Definition("runc", "/", ["/serve"], {}, 1.0, 1024), Slot(7, 18987), Request("/", "n", echoed=True, seconds=0.1))
"""
COPY = oci.Handle("runc", "vmlab-boot-7")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="copies of a runtime belong to root")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the kernel's cgroups."""
    found = tmp_path / "cgroups"
    found.mkdir()
    monkeypatch.setattr(oci, "CGROUPS", found)
    return found


@pytest.fixture
def runtime(
    home: Path, groups: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Path]]:
    """Puts the script in runc's place; where it writes what it was called for. `before` is done before it has a state."""
    calls = tmp_path / "calls"

    def put(before: str = "pass") -> Path:
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "runc"
        program.write_text(RUNTIME.format(python=_python(), calls=calls, before=before, groups=groups))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return calls

    yield put
    for process in marked(home):
        os.kill(process.pid, signal.SIGKILL)


def _python() -> str:
    return "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable


def folder(home: Path) -> Path:
    """Where the copy's files are."""
    return home / "run" / "oci" / "runc" / COPY.name


def marked(home: Path) -> list[processes.Process]:
    """What lives of the copy."""
    return processes.by_environment(MARK, str(folder(home)))


def _name(process: processes.Process) -> str:
    return Path(f"/proc/{process.pid}/comm").read_text().strip()


def until(happened: Callable[[], object], what: str) -> None:
    """Wait for something; AssertionError says what did not come."""
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def test_the_copy_carries_its_folders_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The container's environment has the mark, and its cgroup is another one than that of a copy of another home."""
    definition = oci.Definition("runc", "/", ["/serve"], {}, 1.0, 1024)
    request = Request("/", "n", echoed=True)
    written = oci.configuration(definition, Slot(7, 18987), request, folder(home))
    monkeypatch.setenv("VMLAB_HOME", "/elsewhere")
    other = oci.configuration(definition, Slot(7, 18987), request, folder(home))

    assert f"{MARK}={folder(home)}" in written["process"]["env"]
    assert written["linux"]["cgroupsPath"].endswith("-runc-vmlab-boot-7")
    assert written["linux"]["cgroupsPath"] != other["linux"]["cgroupsPath"]


def test_what_never_answers_is_taken_away(runtime: Callable[..., Path], home: Path) -> None:
    """The container is ended, the runtime is told to forget it, and there is no folder."""
    calls = runtime()
    definition = oci.Definition("runc", "/", ["/serve"], {}, 1.0, 1024)

    with pytest.raises(NeverAnswered):
        oci.boot(definition, Slot(7, 18987), Request("/", "n", echoed=True, seconds=0.1))

    assert calls.read_text().splitlines() == [f"run --detach {COPY.name}", f"delete --force {COPY.name}"]
    assert marked(home) == []
    assert oci.everything_labelled() == []
    assert not folder(home).exists()


def test_a_runtime_dies_with_the_lab(runtime: Callable[..., Path], groups: Path, home: Path) -> None:
    """After kill -9 of who boots, a runtime that was still at it ends; else it would finish what nobody looks for."""
    runtime(before=STUCK)
    lab = subprocess.Popen([sys.executable, "-c", BOOT, str(groups)])
    until(lambda: "runc" in map(_name, marked(home)), "no runtime was started, or setpriv has not become it")

    lab.kill()
    lab.wait(10)

    until(lambda: not marked(home), "the runtime outlives the lab")


def test_a_runtime_that_is_still_at_it_is_ended_first(runtime: Callable[..., Path], home: Path) -> None:
    """What carries the mark is gone before the folder is, though there is no state that speaks of it."""
    calls = runtime()
    folder(home).mkdir(parents=True)
    environment = {"PATH": os.environ["PATH"], MARK: str(folder(home))}
    launch(["sleep", "600"], environment=environment, directory=home, log=home / "log")
    until(lambda: marked(home), "it did not start")

    assert oci.everything_labelled() == [f"runc {COPY.name}"]
    oci.remove_copies()

    assert marked(home) == []
    assert not folder(home).exists()
    assert not calls.exists()  # the runtime knows nothing of it


def test_a_process_without_the_mark_is_known_by_its_cgroup(
    runtime: Callable[..., Path], groups: Path, home: Path
) -> None:
    """The runtime's own first process has not the environment of the container yet; it is ended before the state goes."""
    calls = runtime()
    (folder(home).parent / "state" / COPY.name).mkdir(parents=True)
    group = groups / "memory" / oci._group(COPY)
    group.mkdir(parents=True)
    child = subprocess.Popen(["sleep", "600"])
    (group / "cgroup.procs").write_text(f"{child.pid}\n")

    oci.remove_copies()

    assert child.wait(10) == -signal.SIGKILL
    assert calls.read_text().splitlines() == [f"delete --force {COPY.name}"]
    assert oci.everything_labelled() == []


def test_a_state_alone_is_found_and_forgotten(runtime: Callable[..., Path], home: Path) -> None:
    """What lost its folder is still the runtime's, which has to forget it."""
    calls = runtime()
    (folder(home).parent / "state" / COPY.name).mkdir(parents=True)

    assert oci.everything_labelled() == [f"runc {COPY.name}"]
    oci.remove_copies()

    assert calls.read_text().splitlines() == [f"delete --force {COPY.name}"]
    assert not folder(home).parent.exists()


def test_a_cgroup_alone_is_found_and_removed(groups: Path, home: Path) -> None:
    """A runtime that was killed before it had a state leaves one in each hierarchy; another home's stays."""
    own = [groups / name / oci._group(COPY) for name in ("memory", "pids")]
    other = groups / "memory" / "vmlab-12345678-runc-vmlab-boot-7"
    for path in (*own, other):
        path.mkdir(parents=True)

    assert oci.everything_labelled() == [f"runc {COPY.name}"]
    oci.remove_labelled()

    assert [path.exists() for path in (*own, other)] == [False, False, True]


def test_a_cgroup_that_stays_is_told(groups: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with its path, and the copy's folder stays for the next try."""
    monkeypatch.setattr(oci, "END_SECONDS", 0.05)
    group = groups / "memory" / oci._group(COPY)
    (group / "below").mkdir(parents=True)
    folder(home).mkdir(parents=True)

    with pytest.raises(VmlabError, match="vmlab-boot-7 cannot be removed") as error:
        oci.destroy(COPY)

    assert "\n" not in str(error.value)
    assert folder(home).exists()


def test_state_that_holds_something_stays(home: Path) -> None:
    """A folder of the runtime's is removed when it is empty; what is in it and not a copy's is not thrown away."""
    state = folder(home).parent / "state"
    state.mkdir(parents=True)
    oci.remove_copies()
    assert not state.exists()
    assert not state.parent.parent.exists()

    (state / "somebody's").mkdir(parents=True)
    (state / "somebody's" / "state.json").write_text(json.dumps({}))
    oci.remove_copies()
    assert (state / "somebody's" / "state.json").exists()


def test_a_boot_that_is_interrupted_leaves_nothing(
    runtime: Callable[..., Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends a boot before its answer, the copy is removed."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    runtime()
    monkeypatch.setattr("substrates.contract.first_answer", interrupted)
    definition = oci.Definition("runc", "/", ["/serve"], {}, 1.0, 1024)
    with pytest.raises(KeyboardInterrupt):
        oci.boot(definition, Slot(7, 18987), Request("/", "n", echoed=True, seconds=5))

    assert oci.everything_labelled() == []
    assert marked(home) == []
