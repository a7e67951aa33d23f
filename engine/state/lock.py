"""The stack lock: one run at a time writes a stack's state, whichever engine it is.

Files and order are the official engine's: look for other locks, write one's own, look again; two that race
both back off. New here (docs/engine-rules.md 1.6.4): a lock whose process is gone is taken over with a message, and
so is an empty or torn file, which would make every command of the official engine fail. The process's start
time is recorded too, so that a lock does not count as alive because another process has its pid now. Out of
scope: waiting for a lock.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import WrongUse
from engine.state import durable_files
from engine.state.backend import Backend


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: the official four members, and the start of the process in clock ticks since boot."""

    pid: int
    username: str
    hostname: str
    timestamp: str
    processStart: int = 0  # noqa: N815 - the name in the file

    def __str__(self) -> str:
        return f"pid {self.pid} of {self.username}@{self.hostname} since {self.timestamp}"

    def lives(self) -> bool:
        """Whether the process may still write. One on another host always may."""
        if self.hostname != socket.gethostname():
            return True
        start = process_start(self.pid)
        return start is not None and self.processStart in (0, start)  # the official engine records no start


@contextmanager
def stack_lock(
    backend: Backend, project: str, stack: str, say: Callable[[str], None] = lambda text: None
) -> Iterator[None]:
    """Hold the stack's lock; WrongUse names a living holder, `say` hears of a dead one that was replaced."""
    directory = backend.lock_directory(project, stack)
    own = directory / f"{uuid.uuid4()}.json"
    _refuse_others(directory, own, stack, say)
    try:
        _write(backend.root / ".pulumi" / "locks", own)
        _refuse_others(directory, own, stack, say)
        backend.remove_torn(project, stack)
        yield
    finally:
        durable_files.remove(own)


def cancel(backend: Backend, project: str, stack: str) -> list[str]:
    """Remove every lock of a stack, as `pulumi cancel` does; returns who held them."""
    removed = []
    for path in _locks(backend.lock_directory(project, stack)):
        removed.append(str(_holder(path) or f"an unreadable lock file {path.name}"))
        durable_files.remove(path)
    return removed


def process_start(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if there is none, or only its zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name in parentheses may hold spaces: proc(5)
    return None if fields[0] in "ZX" else int(fields[19])


def _refuse_others(directory: Path, own: Path, stack: str, say: Callable[[str], None]) -> None:
    living = []
    for path in _locks(directory):
        if path == own:
            continue
        holder = _holder(path)
        if holder is not None and holder.lives():
            living.append(str(holder))
        elif path.exists():  # else it was released in the meantime
            durable_files.remove(path)
            say(
                f"took over the lock of {holder}, which has ended"
                if holder
                else f"removed a torn lock file {path.name}"
            )
    if living:
        raise WrongUse(
            f"stack {stack} is locked by {' and '.join(living)}", f"python -m engine cancel --stack {stack}"
        )


def _locks(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*") if path.suffix != ".attrs" and path.is_file())


def _holder(path: Path) -> Holder | None:
    """The holder a file names; None if it is empty or torn, or was just removed."""
    try:
        raw = json.loads(path.read_bytes())
        texts = (str(raw["username"]), str(raw["hostname"]), str(raw["timestamp"]))
        return Holder(int(raw["pid"]), *texts, processStart=int(raw.get("processStart", 0)))
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return None


def _write(staging: Path, own: Path) -> None:
    """Never visible in parts: another run would take a half-written lock for a torn one.

    What is staged lies above the stack's directory, since the official engine reads every file in that.
    """
    me = Holder(os.getpid(), _user(), socket.gethostname(), _now(), process_start(os.getpid()) or 0)
    durable_files.create(own, json.dumps(asdict(me), separators=(",", ":")).encode(), staging)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as in containers
        return str(os.getuid())


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
