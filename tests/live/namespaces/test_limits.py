"""The limits bite, and only inside: memory, processes, CPU time."""

from __future__ import annotations

import time
from pathlib import Path

from substrates import namespaces, procfs
from substrates.rungs import cgroups
from tests.live.namespaces.conftest import Starter
from tests.live.namespaces.traces import settled

MIB = 1024**2
HOG = """
held = []
print("begins", flush=True)
while True:
    held.append(bytearray(1024 ** 2))
    if len(held) % 16 == 0: print("has", len(held), flush=True)
"""
STORM = """
import os, time
made = 0
while True:
    try:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
    except OSError as error:
        print("stopped at", made, error.errno, flush=True)
        break
time.sleep(60)
"""
SPIN = "while True: pass"
SPIN_TWICE = "import os\nos.fork()\nwhile True: pass"
SHARES = ((SPIN, 0.1), (SPIN_TWICE, 0.2))  # little, so that a busy machine has it to give


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
    free = procfs.available_bytes()
    beside = running(SPIN, name="vmlab-beside", address="198.18.2.98")
    handle = running(HOG, memory_bytes=64 * MIB)

    left = settled(lambda: ["alive"] if handle.supervisor.lives() else [])

    assert left == []
    assert "begins" in said(handle)
    assert all(int(line.split()[1]) <= 64 for line in said(handle).splitlines() if line.startswith("has"))
    assert beside.supervisor.lives()
    assert beside.main.lives()
    assert procfs.available_bytes() > free - 512 * MIB


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


def test_a_fork_storm_stops_at_the_limit(running: Starter) -> None:
    """A service that forks for ever gets EAGAIN at its limit of processes, its init counted; the host can go on forking."""
    handle = running(STORM, pids=32)

    settled(lambda: [] if "stopped" in said(handle) else ["waiting"])

    assert said(handle).strip() == "stopped at 30 11"  # with init and the service itself: 32
    assert len(procfs.tree(handle.supervisor.pid)) - 1 == 32
    namespaces.destroy(handle)


def test_cpu_time_stays_within_its_quota(running: Starter) -> None:
    """Over 5 s a service that never rests gets its share of CPU time and not 5 % more, on two processors too."""
    for program, share in SHARES:
        handle = running(program, cpus=share)
        used = _cpu_share(handle, seconds=5.0)
        namespaces.destroy(handle)

        assert used <= share * 1.05, f"{used:.3f} of {share}"
        assert used >= share * 0.5, f"{used:.3f} of {share}: this machine is too busy to say"


def _cpu_share(handle: namespaces.Handle, seconds: float) -> float:
    """What the kernel has booked for the whole copy, over the time that passed."""
    time.sleep(0.5)
    began, before = time.monotonic(), _booked(handle)
    time.sleep(seconds)
    return (_booked(handle) - before) / (time.monotonic() - began)


def _booked(handle: namespaces.Handle) -> float:
    return sum(procfs.cpu_seconds(pid) for pid in procfs.tree(handle.supervisor.pid))


def test_the_limits_are_read_back(running: Starter) -> None:
    """What the kernel says it holds a copy to is what was asked, and stays so when it is changed in place, up and down."""
    handle = running(SPIN, cpus=0.5, memory_bytes=64 * MIB)
    instance = {"name": handle.definition.name}

    assert namespaces.limits(instance) == {"cpus": 0.5, "memory_bytes": 64 * MIB, "enforced": True}
    for cpus, memory in ((1.5, 256 * MIB), (0.25, 32 * MIB)):
        namespaces.set_limits(handle, cpus, memory)
        assert namespaces.limits(instance) == {"cpus": cpus, "memory_bytes": memory, "enforced": True}
    assert Path(handle.directory).is_dir()
