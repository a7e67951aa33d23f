"""The directory of one command's sockets: only its user can enter it, and it does not outlive a killed engine for long.

`kill -9` leaves it behind, so each engine first removes those whose engine is gone. The owner holds a lock (flock) on its
directory, which the kernel releases when the owner dies, also in another pid namespace.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from engine.errors import WrongUse

PREFIX = "vmlab-engine-"
ATTEMPTS = 10


class PrivateDirectory:
    """A new directory with mode 0700, until `close`."""

    def __init__(self) -> None:
        _remove_abandoned(Path(tempfile.gettempdir()))
        for _ in range(ATTEMPTS):
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
            lock = _lock(self.path)
            if lock is not None:
                self._lock = lock
                return
            shutil.rmtree(
                self.path, ignore_errors=True
            )  # another engine took it for abandoned before it was locked
        raise WrongUse(
            f"cannot lock a directory in {tempfile.gettempdir()}", "export TMPDIR=<a local directory>"
        )

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(f"{PREFIX}*"):
        lock = _lock(path)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _lock(path: Path) -> int | None:
    """The locked directory's descriptor; None if another engine holds it, or it is not ours or not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_uid == os.getuid() and path.exists():
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
