"""Reading processes from /proc: who lives, since when, with how much memory and CPU time.

A pid alone proves nothing, because pids are used again: a process is its pid and its start time (proc(5), field 22 of
stat, in clock ticks since boot). A zombie has ended: only its parent has not collected it. `proc` is /proc or a recorded tree.
Own code rather than psutil, whose CPU times come in ticks of 10 ms. Out of scope: starting and stopping; other systems.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from machine import files

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process by its pid and its start, in clock ticks since boot."""

    pid: int
    start_ticks: int

    def lives(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return find(self.pid) == self


def find(pid: int, proc: Path = PROC) -> Process | None:
    """The process with this pid now; None if there is none, or only its zombie."""
    fields = _stat(pid, proc)
    return Process(pid, int(fields[19])) if fields and fields[0] not in "ZX" else None


def start_ticks(pid: int, proc: Path = PROC) -> int | None:
    """When the process started, in clock ticks since boot; None if there is none."""
    found = find(pid, proc)
    return None if found is None else found.start_ticks


def pids(proc: Path = PROC) -> Iterator[int]:
    """Every process that lives."""
    for entry in proc.iterdir():
        if entry.name.isdigit() and find(int(entry.name), proc) is not None:
            yield int(entry.name)


def name(pid: int, proc: Path = PROC) -> str | None:
    """The process's comm, or None if there is no such process."""
    return None if find(pid, proc) is None else files.read_text(proc / str(pid) / "comm").strip() or None


def command(pid: int, proc: Path = PROC) -> list[str]:
    """The arguments it was started with; empty for a kernel thread or a process that is gone."""
    try:
        words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [word.decode(errors="replace") for word in words if word]


def read_pid(path: Path) -> int | None:
    """The number in another program's pid file, or None."""
    try:
        return int(path.read_text().strip())
    except (OSError, ValueError):
        return None


def parent(pid: int, proc: Path = PROC) -> int:
    """The pid of its parent; 0 when it is gone."""
    fields = _stat(pid, proc)
    return int(fields[1]) if fields else 0


def tree(pid: int, proc: Path = PROC) -> list[int]:
    """The pid and those of all its descendants that live, parents before children."""
    children: dict[int, list[int]] = {}
    for other in pids(proc):
        children.setdefault(parent(other, proc), []).append(other)
    found = [pid]
    for one in found:  # grows while it is walked
        found += children.get(one, [])
    return found


def by_command(*words: str) -> list[int]:
    """Processes whose program is called words[0] and whose arguments contain the others in this order, side by side."""
    rest, found = list(words[1:]), []
    for entry in PROC.iterdir():
        arguments = command(int(entry.name)) if entry.name.isdigit() else []
        places = range(len(arguments) - len(rest) + 1)
        if (
            arguments
            and Path(arguments[0]).name == words[0]
            and any(arguments[i : i + len(rest)] == rest for i in places)
        ):
            found.append(int(entry.name))
    return found


def by_environment(variable: str, value: str) -> list[Process]:
    """Processes that were started with this variable, the oldest first."""
    wanted, found = f"{variable}={value}".encode(), []
    for entry in PROC.iterdir():
        try:
            started_so = entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if started_so and (process := find(int(entry.name))):
            found.append(process)
    return sorted(found, key=lambda process: process.start_ticks)


def pss_bytes(pid: int) -> int:
    """Proportional set size: private pages, and its share of the shared ones. 0 when it is gone."""
    rows = files.read_text(PROC / str(pid) / "smaps_rollup").splitlines()
    return sum(int(row.split()[1]) * 1024 for row in rows if row.startswith("Pss:"))


def available_bytes() -> int:
    """What this machine could give to new processes without swapping, as the kernel estimates it."""
    rows = dict(line.split(":", 1) for line in (PROC / "meminfo").read_text().splitlines())
    return int(rows["MemAvailable"].split()[0]) * 1024


def cpu_seconds(pid: int) -> float:
    """CPU time of all its threads so far, in nanosecond steps (schedstat; stat counts in 10 ms). 0 when it is gone."""
    total_ns = 0
    with suppress(OSError, IndexError):
        for thread in (PROC / str(pid) / "task").iterdir():
            total_ns += int((thread / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def _stat(pid: int, proc: Path) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the third on; the name before them may hold blanks and parentheses."""
    return files.read_text(proc / str(pid) / "stat").rpartition(")")[2].split() or None
