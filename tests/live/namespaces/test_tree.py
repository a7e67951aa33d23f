"""The process tree inside is its own: init reaps and hands on signals, and nothing outlives the supervisor."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from machine import cgroups as machine_cgroups
from machine import processes
from machine.commands import launch as start_process
from machine.errors import VmlabError
from substrates import namespaces
from substrates.contract import Request, Slot
from substrates.copies import launch, life, records
from substrates.rungs import NAMES, cgroups, network
from tests.conftest import repetitions
from tests.live.namespaces import traces
from tests.live.namespaces.conftest import Starter
from tests.live.namespaces.traces import settled

ORPHANS = """
import os, time
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.05)
        os._exit(0)
    os.wait()
print("left", flush=True)
time.sleep(0.5)
print(sorted(int(name) for name in os.listdir("/proc") if name.isdigit()), flush=True)
time.sleep(60)
"""
POLITE = """
import os, signal, sys, time
def end(number, frame):
    print("ends", os.getpid(), os.getppid(), flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True: time.sleep(60)
"""
FAMILY = "import os, time\nfor _ in range(3): os.fork()\ntime.sleep(600)"
KILLS = repetitions(full=100, sample=20)
EARLY_KILLS, EARLY_SECONDS, EARLY_SEED = 30, 0.006, 1  # a start on all rungs takes about 5 ms


def until(handle: namespaces.Handle, word: str) -> str:
    """Its log once this is in it."""
    settled(lambda: [] if word in handle.log.read_text() else ["waiting"])
    return handle.log.read_text()


def groups_of(name: str) -> list[Path]:
    """A copy's cgroups that are there."""
    return [path for path in cgroups.here().folders(name) if path.exists()]


def ended_with(handle: namespaces.Handle) -> int:
    """The code with which its supervisor ended, in time."""
    assert settled(lambda: ["alive"] if handle.process.lives() else []) == []
    _, status = os.waitpid(handle.process.pid, 0)
    return os.waitstatus_to_exitcode(status)


def test_init_reaps(running: Starter) -> None:
    """Processes whose parents have ended become init's children, and when they end no zombie stays."""
    handle = running(ORPHANS)

    assert "[1, 2]" in until(handle, "[")


def test_sigterm_reaches_the_service(running: Starter) -> None:
    """SIGTERM to the supervisor ends the service by its own handler, its children with it, and its code comes out."""
    handle = running(POLITE)
    until(handle, "ready")
    began = time.monotonic()

    os.kill(handle.process.pid, signal.SIGTERM)

    assert ended_with(handle) == 7
    assert "ends 2 1" in handle.log.read_text()
    assert time.monotonic() - began < 2.0
    assert groups_of(handle.definition.name) == []


def test_a_service_that_ends_takes_its_children_with_it(running: Starter) -> None:
    """When the service itself ends, the supervisor ends with its code and none of the service's children is left."""
    handle = running("import os, sys, time\nif os.fork() == 0: time.sleep(600)\nsys.exit(5)")

    assert ended_with(handle) == 5
    assert traces.processes(handle.directory.parents[2]) == []


def test_a_deaf_service_is_killed(running: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that ignores SIGTERM is gone after the time for a clean end, and `destroy` comes back."""
    monkeypatch.setattr(life, "STOP_SECONDS", 0.2)
    handle = running(
        "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)"
    )
    until(handle, "deaf")

    namespaces.destroy(handle)

    assert not handle.process.lives()
    assert namespaces.find(handle.definition.name) is None


@pytest.mark.timeout(600)
def test_a_killed_supervisor_leaves_nothing(running: Starter, home: Path) -> None:
    """kill -9 of the supervisor, many times: no process, mount, link or namespace stays; the start of another copy takes the
    cgroups."""
    places = [("vmlab-try", "198.18.2.99"), ("vmlab-other", "198.18.2.98")]
    for turn in range(KILLS):
        (name, address), (last, _) = places[turn % 2], places[1 - turn % 2]
        handle = running(FAMILY, name=name, address=address)
        assert groups_of(last) == [], turn
        own = set(traces.spaces(handle.main.pid).values()) - set(traces.spaces(os.getpid()).values())
        assert len(own) >= 7
        assert network.links_of(name) != []
        assert traces.processes(home) != []
        os.kill(handle.process.pid, signal.SIGKILL)
        os.waitpid(handle.process.pid, 0)

        assert settled(lambda: traces.processes(home)) == [], turn
        assert settled(lambda spaces=own: traces.in_use(spaces)) == [], turn  # type: ignore[misc]
        assert traces.mounts(home) == [], turn
        assert settled(lambda of=name: network.links_of(of)) == [], turn  # type: ignore[misc]
        assert groups_of(name) != [], turn


@pytest.mark.timeout(300)
def test_a_supervisor_killed_at_any_moment_leaves_nothing(
    definition: namespaces.Definition, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 of the supervisor somewhere in the middle of a start: the start fails in a line or gives a copy that is dead,
    and after `remove_copies` nothing of either is there. Both happen, or the moments say nothing."""
    chance, failed = random.Random(EARLY_SEED), []
    killers: list[threading.Timer] = []

    def killed(*command: Any, **options: Any) -> int:
        pid = start_process(*command, **options)
        killers.append(threading.Timer(chance.uniform(0, EARLY_SECONDS), os.kill, (pid, signal.SIGKILL)))
        killers[-1].start()
        return pid

    monkeypatch.setattr(launch, "start_process", killed)
    before = traces.of_host()
    copy = replace(definition, name=Slot(107, 0).name, address=network.copy_address(107))
    for turn in range(EARLY_KILLS):
        try:
            assert ended_with(namespaces.start(copy)) == -signal.SIGKILL
        except VmlabError as error:
            failed.append(str(error))
        killers[-1].join()
        namespaces.remove_copies()

        assert traces.left(home, before) == [], turn
    assert len(killers) == EARLY_KILLS
    assert 0 < len(failed) < EARLY_KILLS
    assert all("could not be started" in line for line in failed)


def test_other_commands_take_the_cgroups_too(running: Starter) -> None:
    """An empty cgroup of a killed supervisor goes when any other copy starts, and with gc's two calls."""
    for clear in (
        lambda: running("0", name="vmlab-other", address="198.18.2.98", rungs=NAMES),
        namespaces.remove_copies,
        namespaces.remove_labelled,
    ):
        handle = running(FAMILY)
        os.kill(handle.process.pid, signal.SIGKILL)
        os.waitpid(handle.process.pid, 0)
        settled(lambda name=handle.definition.name: [*map(str, cgroups.here().members(name))])  # type: ignore[misc]

        clear()

        assert groups_of(handle.definition.name) == []


def test_without_a_pid_namespace_children_are_found(running: Starter) -> None:
    """Below the rung `pid` a killed supervisor's grandchildren outlive it; `destroy` finds and ends them."""
    handle = running(FAMILY, rungs=("mount", "chroot"), port=18991)
    settled(lambda: [] if len(processes.tree(handle.process.pid)) == 9 else ["waiting"])
    os.kill(handle.process.pid, signal.SIGKILL)
    os.waitpid(handle.process.pid, 0)
    home = handle.directory.parents[2]
    assert traces.processes(home) != []

    namespaces.destroy(handle)

    assert traces.processes(home) == []


def test_a_starter_killed_too_early_leaves_a_trace(definition: namespaces.Definition) -> None:
    """A copy whose starter was killed before it could note the pid is found by its mark, and removed."""
    request = Request("/", "n", echoed=True)
    boot = namespaces.boot(definition, Slot(107, 18992), request)
    unknown = replace(boot.copy, process=processes.Process(0, 0))
    records.write(unknown)

    found = namespaces.find(boot.copy.definition.name)
    assert found is not None
    assert found.process == boot.copy.process
    namespaces.remove_copies()

    assert not boot.copy.process.lives()


def test_version_2_gives_birth_in_the_group(running: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """With cgroup version 2 the copy is made inside its group; shown on a tree without controllers, as a hybrid has one."""
    unified = machine_cgroups.FOLDER / "unified"
    if not (unified / "cgroup.controllers").exists():
        pytest.skip("this machine has no cgroup version 2 beside version 1")
    second = cgroups.Version2(unified, cgroups.base())
    for name in ("opening", "settings", "extras"):
        monkeypatch.setattr(second, name, lambda *_: [])
    monkeypatch.setattr(cgroups, "here", lambda: second)

    handle = running(POLITE)
    until(handle, "ready")
    own = Path(f"/proc/{handle.main.pid}/cgroup").read_text().splitlines()

    assert second.members(handle.definition.name) == [processes.parent(handle.main.pid), handle.main.pid]
    assert f"0::/{cgroups.base()}/{handle.definition.name}" in own
    namespaces.destroy(handle)
    assert not any(base.exists() for base in second.bases())
