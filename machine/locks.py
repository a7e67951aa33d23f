"""One holder at a time on this machine: flock(2) on a file below the run folder, asked for until a deadline.

The lock goes with its process, so a killed run leaves none. Files are 0600, so that no other user can hold one of root's.
Out of scope: the engine's stack lock, whose format is Pulumi's (`engine/state/lock.py`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from machine import files, places
from machine.errors import VmlabError
from machine.waiting import Deadline

PAUSE = 0.02


def path_of(name: str) -> Path:
    """The file of the lock called `name`."""
    return places.run() / "locks" / f"{name}.lock"


@contextmanager
def held(name: str, seconds: float, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock; VmlabError with the holder's pid when it is not free before the deadline.

    `waiting` is called once, when another process holds the lock."""
    with tried(name, seconds, waiting=waiting) as had:
        if not had:
            holder = files.read_text(path_of(name)).strip() or "?"
            raise VmlabError(f"{path_of(name)}: held by process {holder} for more than {seconds:g} s")
        yield


@contextmanager
def tried(name: str, seconds: float, *, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Yield whether the lock was taken before the deadline; it is released at the end."""
    places.make(path_of(name).parent)
    descriptor = os.open(path_of(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        had = _take(descriptor)
        if not had:
            if waiting is not None:
                waiting()
            had = Deadline(seconds).until(lambda: _take(descriptor), PAUSE)
        if had:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield had
    finally:
        os.close(descriptor)


@contextmanager
def tried_folder(folder: Path, seconds: float) -> Iterator[bool]:
    """The same on a folder that always exists: no file is left, and every VMLAB_HOME of this machine has the same lock."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Deadline(seconds).until(lambda: _take(descriptor), 0.001)
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
