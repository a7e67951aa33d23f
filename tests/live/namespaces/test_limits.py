"""The limits bite, and only inside: memory, processes, CPU time."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from machine import processes
from substrates import namespaces
from substrates.contract import Limits
from substrates.rungs import NAMES, cgroups
from tests.live.namespaces import traces
from tests.live.namespaces.conftest import Starter
from tests.live.namespaces.traces import settled

MIB = 1024**2
PORT = 18998
HOG = """
held = []
print("begins", flush=True)
while True:
    held.append(bytearray(1024 ** 2))
    if len(held) % 16 == 0: print("has", len(held), flush=True)
"""
STORM = """
import os
while True:
    try: os.fork()
    except OSError: pass
"""
STORM_PIDS = 64
STORM_LOOKS = 50
END_SECONDS = 5.0
SPIN = "while True: pass"
SPIN_TWICE = "import os\nos.fork()\nwhile True: pass"
SHARES = ((SPIN, 0.1), (SPIN_TWICE, 0.2), (SPIN_TWICE, 1.0))
WINDOWS, WINDOW_SECONDS = 3, 5.0  # a busy machine may not have it to give in one of them


def said(handle: namespaces.Handle) -> str:
    """Its log."""
    return handle.log.read_text()


def oom_kills(handle: namespaces.Handle) -> int:
    """How often the kernel killed in its memory cgroup."""
    folder = cgroups.here().folders(handle.definition.name)
    rows = [path.read_text().split() for f in folder for path in f.glob("memory.oom_control")]
    rows += [path.read_text().split() for f in folder for path in f.glob("memory.events")]
    return sum(int(words[words.index("oom_kill") + 1]) for words in rows)


def test_memory_over_the_limit_kills_the_service_alone(running: Starter) -> None:
    """The kernel kills the service that takes more than its limit, and nothing else: not its neighbour, not this process."""
    free = processes.available_bytes()
    beside = running(SPIN, name="vmlab-beside", address="198.18.2.98")
    handle = running(HOG, memory_bytes=64 * MIB)

    left = settled(lambda: ["alive"] if handle.process.lives() else [])

    assert left == []
    assert "begins" in said(handle)
    assert all(int(line.split()[1]) <= 64 for line in said(handle).splitlines() if line.startswith("has"))
    assert beside.process.lives()
    assert beside.main.lives()
    assert processes.available_bytes() > free - 512 * MIB


def test_memory_is_the_kernels_doing(running: Starter) -> None:
    """A child that takes too much is killed by the cgroup, which counts it, while the service that started it goes on."""
    program = (
        "import os, time\npid = os.fork()\nif pid == 0:\n    held = [bytearray(1024 ** 2) for _ in range(256)]\n"
        "print('ended by', os.waitpid(pid, 0)[1], flush=True)\ntime.sleep(60)"
    )
    handle = running(program, memory_bytes=64 * MIB)

    settled(lambda: [] if "ended by" in said(handle) else ["waiting"])

    assert "ended by 9" in said(handle)
    assert oom_kills(handle) >= 1
    assert handle.main.lives()


@pytest.mark.parametrize("rungs", [("limits",), NAMES], ids=["limits", "all"])
def test_a_fork_storm_stops_at_the_limit(running: Starter, home: Path, rungs: tuple[str, ...]) -> None:
    """A service whose processes all fork for ever gets as many as its limit and never one more; the host goes on forking,
    and the copy is destroyed in time with nothing left of it."""
    handle = running(STORM, pids=STORM_PIDS, rungs=rungs, port=PORT)
    name = handle.definition.name
    assert settled(lambda: [] if len(cgroups.here().members(name)) >= STORM_PIDS else ["growing"]) == []

    for _ in range(STORM_LOOKS):
        assert len(cgroups.here().members(name)) <= STORM_PIDS
        subprocess.run(["true"], check=True, timeout=END_SECONDS)
    began = time.monotonic()
    namespaces.destroy(handle)

    assert time.monotonic() - began < END_SECONDS
    assert traces.processes(home) == []
    assert [path for path in cgroups.here().folders(name) if path.exists()] == []
    assert namespaces.everything_labelled() == []


@pytest.mark.parametrize(("program", "share"), SHARES)
def test_cpu_time_stays_within_its_quota(running: Starter, program: str, share: float) -> None:
    """Over 5 s a service that never rests gets its share of CPU time, within 5 %, on two processors too. Never more; less
    only where somebody else takes it, so that the best of a few windows counts."""
    handle = running(program, cpus=share)
    assert settled(lambda: [] if _booked(handle) else ["not begun"]) == []
    used: list[float] = []
    while len(used) < WINDOWS and max(used, default=0.0) < share * 0.95:
        used.append(_cpu_share(handle))
    namespaces.destroy(handle)

    assert max(used) <= share * 1.05, f"{used} of {share}"
    assert max(used) >= share * 0.95, f"{used} of {share}"


def _cpu_share(handle: namespaces.Handle) -> float:
    """What the kernel has booked for the whole copy, over the time that passed."""
    began, before = time.monotonic(), _booked(handle)
    time.sleep(WINDOW_SECONDS)
    return (_booked(handle) - before) / (time.monotonic() - began)


def _booked(handle: namespaces.Handle) -> float:
    return sum(processes.cpu_seconds(pid) for pid in processes.tree(handle.process.pid))


def test_the_limits_are_read_back(running: Starter) -> None:
    """The limits that the kernel reports are those asked for, also after they are changed in place, up and down."""
    handle = running(SPIN, cpus=0.5, memory_bytes=64 * MIB)
    instance = {"name": handle.definition.name}

    assert namespaces.limits(instance) == Limits(0.5, 64 * MIB, enforced=True)
    for cpus, memory in ((1.5, 256 * MIB), (0.25, 32 * MIB), (0.29, 476 * MIB)):
        namespaces.set_limits(handle, cpus, memory)
        assert namespaces.limits(instance) == Limits(cpus, memory, enforced=True)
    assert handle.directory.is_dir()
