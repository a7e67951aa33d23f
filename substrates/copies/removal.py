"""Removing everything that a copy leaves, and what the copies share: the bridge and the lab's own level of cgroups.

A copy that was killed leaves at most a folder, a cgroup, processes that outlive it, and for a moment a link. What is shared
is removed with the last copy; one start at a time holds the lock while it takes an address or makes the bridge.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from machine import locks, processes
from machine.errors import Unavailable, VmlabError
from machine.waiting import Deadline
from substrates import rungs
from substrates.copies import records
from substrates.copies.records import NAMESPACES, PROCESS, UNKNOWN
from substrates.rungs import cgroups, network

END_SECONDS = 5.0
LOCK_SECONDS = 60.0  # a start that first stops a copy of its name that ignores SIGTERM takes 20


def forget(kind: str, name: str, *, ended: bool = False) -> None:
    """Remove everything that a copy without its first process has left: processes, links, cgroups, files.

    What is in its cgroups ends first, because only there can it be prevented from forking meanwhile. `ended`: it ended by
    itself; with a PID namespace no process can be left then, and none is looked for."""
    handle = records.find(kind, name)
    used = handle.definition.rungs if handle else () if kind == PROCESS else rungs.NAMES
    for rung in reversed(rungs.RUNGS):
        if rung.name in used and (not rung.root or os.geteuid() == 0):
            rung.undo(name)
    if not (ended and "pid" in used):
        _end_strays(kind, name)
    shutil.rmtree(records.folder(kind, name), ignore_errors=True)
    tidy()


def sweep() -> None:
    """Remove the cgroups of copies without a record or whose supervisor has ended; one that is starting keeps its own."""
    for name in orphans():
        cgroups.here().remove(name)


def orphans() -> list[str]:
    """Copies that have a cgroup, and no record or one of a supervisor that has ended."""
    found = []
    for name in _grouped():
        handle = records.find(NAMESPACES, name)
        if handle is None or (handle.process != UNKNOWN and not handle.process.lives()):
            found.append(name)
    return found


def tidy() -> None:
    """Remove what the copies share when there is none, unless another process starts one."""
    if os.geteuid() != 0:
        return
    with locks.tried_folder(network.LINKS, 0.0) as alone:
        if alone and not records.names(NAMESPACES):
            network.remove_bridge()
            with suppress(Unavailable):  # then there are none
                cgroups.here().remove_bases()


@contextmanager
def starting() -> Iterator[None]:
    """While this is held no other copy starts, so that no two take one address or make the bridge, and nothing shared is
    removed. A start that fails may have made it. The lock is a folder that always exists: it leaves no file, and every
    VMLAB_HOME of this machine has the same. Without root nothing is shared."""
    if os.geteuid() != 0:
        yield
        return
    try:
        with locks.tried_folder(network.LINKS, LOCK_SECONDS) as alone:
            if not alone:
                raise VmlabError(f"another start has held {network.LINKS} locked for {LOCK_SECONDS:g} s")
            yield
    except BaseException:
        tidy()
        raise


def end(found: list[processes.Process]) -> bool:
    """Kill them; whether none of them is left."""
    for process in found:
        send(process, signal.SIGKILL)
    return not found


def send(process: processes.Process, number: signal.Signals) -> None:
    """Signal it, if it is still this very process."""
    if process.lives():
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def end_session(leader: processes.Process) -> None:
    """Kill what is left of the process group of a leader that has ended just now; long after, its number is another's."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader.pid, signal.SIGKILL)


def reap(process: processes.Process) -> None:
    """Collect the exit code of our own child; another process's child is reaped by its parent."""
    if process.pid > 0:  # 0 would be any child of our process group
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)


def await_end(process: processes.Process, seconds: float) -> bool:
    """Whether it ended in time; our own child is reaped."""

    def ended() -> bool:
        lives = process.lives()
        reap(process)
        return not lives

    return Deadline(seconds).until(ended, 0.001)


def _grouped() -> list[str]:
    if os.geteuid() != 0:
        return []
    try:
        return cgroups.here().names()
    except Unavailable:
        return []


def _end_strays(kind: str, name: str) -> None:
    """Without a PID namespace a service's children outlive it; with one they end a moment after the supervisor."""
    if not Deadline(END_SECONDS).until(lambda: end(records.strays(kind, name)), 0.001):
        left = [process.pid for process in records.strays(kind, name)]
        raise VmlabError(f"{name}: the processes {left} do not end")
