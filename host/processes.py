"""Reads /proc: is this the process that was started, what is it called, which children has it.

A pid alone proves nothing, because pids are used again: a process is its pid and its start time (proc(5), field 22 of
stat, in clock ticks since boot). Left out: starting and stopping, host/daemon.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def start_ticks(pid: int, proc: Path = PROC) -> int | None:
    """When the process started, or None if there is none. A zombie has ended: only its parent has not asked."""
    try:
        text = (proc / str(pid) / "stat").read_text()
    except (OSError, ValueError):
        return None
    # The name in parentheses may hold blanks and parentheses itself, so fields count from the last one.
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def name(pid: int, proc: Path = PROC) -> str | None:
    """The process's comm, or None if there is no such process."""
    if start_ticks(pid, proc) is None:
        return None
    try:
        return (proc / str(pid) / "comm").read_text().strip()
    except OSError:
        return None


def command(pid: int, proc: Path = PROC) -> list[str]:
    """The arguments it was started with; empty for a kernel thread or a process that is gone."""
    try:
        words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [word.decode(errors="replace") for word in words if word]


def pids(proc: Path = PROC) -> Iterator[int]:
    """Every process that lives."""
    for entry in proc.iterdir():
        if entry.name.isdigit() and start_ticks(int(entry.name), proc) is not None:
            yield int(entry.name)


def read_pid(path: Path) -> int | None:
    """The number in another program's pid file, or None."""
    try:
        return int(path.read_text().strip())
    except (OSError, ValueError):
        return None


def below(ancestor: int, proc: Path = PROC) -> list[int]:
    """Its children, their children and so on."""
    parents = {pid: _parent(pid, proc) for pid in pids(proc)}
    found = [ancestor]
    for pid in found:  # grows while it is walked
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def _parent(pid: int, proc: Path) -> int | None:
    try:
        text = (proc / str(pid) / "stat").read_text()
    except OSError:
        return None
    return int(text[text.rindex(")") + 2 :].split()[1])
