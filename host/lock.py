"""One `host up` or `host down` at a time on a machine.

flock(2) goes with the process, so a killed run leaves no lock. Left out: reading verbs, which need none.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from host.errors import HostError
from substrates import places

PAUSE = 0.1


@contextmanager
def held(seconds: float = 120) -> Iterator[None]:
    """Hold the lock; HostError with the other's pid if it is not free before the deadline."""
    path = places.make(places.run()) / "host.lock"
    deadline = time.monotonic() + seconds
    with path.open("a+") as file:
        while not _take(file.fileno()):
            if time.monotonic() > deadline:
                file.seek(0)
                raise HostError(
                    f"{path}: held by process {file.read().strip()} for more than {seconds:.0f} s"
                )
            time.sleep(PAUSE)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _take(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
