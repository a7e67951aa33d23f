"""Which process listens on a TCP port: the socket's inode from /proc/net/tcp, its process from /proc/*/fd.

Other users' processes are only visible to root. Also whether a process accepts on a Unix socket. Out of scope: UDP, and
addresses; a listener on any address takes the port.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

from machine import files, processes
from machine.errors import InvalidInput

LISTEN = "0A"  # TCP_LISTEN of net/tcp_states.h, as /proc/net/tcp prints it


def owner(port: int, proc: Path = processes.PROC) -> tuple[int, str] | None:
    """Pid and name of the process that listens; pid 0 if it is another user's; None if no process listens."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    if not sockets:
        return None
    for pid in processes.pids(proc):
        if sockets & _open_files(pid, proc):
            return pid, processes.name(pid, proc) or "a process that has just ended"
    return 0, "a process of another user"


def taken(port: int, proc: Path = processes.PROC) -> bool:
    """Whether any process listens, visible or not."""
    return bool(_listening(port, proc))


def holder(port: int) -> str:
    """The process that listens on the port, for a message: "nginx (pid 12)", or that it is another user's."""
    pid, name = owner(port) or (0, "no process")
    return f"{name} (pid {pid})" if pid else name


def accepts(path: Path) -> bool:
    """Whether a process accepts on the Unix socket; the socket of a killed daemon refuses.

    One that this user may not open, or that does not accept within 1 s, is in use."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
    return True


def refuse_taken(port: int, unless: str = "") -> None:
    """InvalidInput with the process that listens on the port already, if it is not called `unless`."""
    found = owner(port)
    if found is not None and found[1] != unless:
        raise InvalidInput(f"port {port} is taken by {holder(port)}")


def _listening(port: int, proc: Path) -> set[str]:
    found = set()
    for table in ("net/tcp", "net/tcp6"):
        lines = files.read_text(proc / table).splitlines()[1:]
        for fields in map(str.split, lines):
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _open_files(pid: int, proc: Path) -> set[str]:
    """What a process has open; one that it closes meanwhile does not hide the others."""
    found: set[str] = set()
    with suppress(OSError):  # it ended meanwhile, or is another user's
        for entry in (proc / str(pid) / "fd").iterdir():
            with suppress(OSError):
                found.add(str(entry.readlink()))
    return found
