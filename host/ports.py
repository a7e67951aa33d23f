"""Who listens on a TCP port: the socket's inode from /proc/net/tcp, its process from /proc/*/fd.

Other users' processes are only seen by root. Left out: UDP, and addresses; a listener on any address takes the port.
"""

from __future__ import annotations

from pathlib import Path

from host import processes

LISTEN = "0A"  # TCP_LISTEN of net/tcp_states.h, as /proc/net/tcp prints it


def owner(port: int, proc: Path = processes.PROC) -> tuple[int, str] | None:
    """Pid and name of the process that listens, or None if nobody is seen to."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    for pid in processes.pids(proc) if sockets else ():
        if sockets & _open_files(pid, proc):
            return pid, processes.name(pid, proc) or "?"
    return None


def taken(port: int, proc: Path = processes.PROC) -> bool:
    """Whether anybody listens, seen or not."""
    return bool(_listening(port, proc))


def _listening(port: int, proc: Path) -> set[str]:
    found = set()
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (proc / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _open_files(pid: int, proc: Path) -> set[str]:
    try:
        return {str(entry.readlink()) for entry in (proc / str(pid) / "fd").iterdir()}
    except OSError:  # it ended meanwhile, or is another user's
        return set()
