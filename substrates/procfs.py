"""Reading processes from /proc: who lives, since when, with how much memory and CPU time.

A pid alone says little, because pids are given again; with its start time it is a name. Left out: other systems.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from substrates.errors import Refused

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Process:
    """A process by its pid and its start, in clock ticks since boot."""

    pid: int
    start_ticks: int

    def lives(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        found = find(self.pid)
        return found == self


def find(pid: int) -> Process | None:
    """The process with this pid now; None if there is none, or only its zombie."""
    fields = _stat(pid)
    return Process(pid, int(fields[19])) if fields and fields[0] != "Z" else None


def tree(pid: int) -> list[int]:
    """The pid and those of all its living descendants."""
    parents: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdigit() else None
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        left += parents.get(found[-1], [])
    return found


def parent(pid: int) -> int:
    """The pid of its parent; 0 when it is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def by_command(*words: str) -> list[int]:
    """Processes whose program is called words[0] and whose arguments contain the others in this order, side by side."""
    found = []
    for entry in PROC.iterdir():
        try:
            arguments = (
                (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if entry.name.isdigit()
                else []
            )
        except OSError:
            continue
        rest = list(words[1:])
        places = range(len(arguments) - len(rest) + 1)
        if (
            arguments
            and Path(arguments[0]).name == words[0]
            and any(arguments[i : i + len(rest)] == rest for i in places)
        ):
            found.append(int(entry.name))
    return found


def by_environment(name: str, value: str) -> list[Process]:
    """Processes that were started with this variable, the oldest first."""
    wanted, found = f"{name}={value}".encode(), []
    for entry in PROC.iterdir():
        try:
            started_so = entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if started_so and (process := find(int(entry.name))):
            found.append(process)
    return sorted(found, key=lambda process: process.start_ticks)


def memory_cgroups(pid: int) -> list[Path]:
    """Files that may hold the memory use of a process's cgroup: v1's, then v2's."""
    found = []
    try:
        rows = (PROC / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return []
    for row in rows:
        _, controllers, path = row.split(":", 2)
        if "memory" in controllers.split(","):
            found.append(CGROUPS / "memory" / path.lstrip("/") / "memory.usage_in_bytes")
        if not controllers:
            found.append(CGROUPS / path.lstrip("/") / "memory.current")
    return found


def pss_bytes(pid: int) -> int:
    """Proportional set size: private pages, and its share of the shared ones. 0 when it is gone."""
    return _rollup(pid, "Pss:")


def uss_bytes(pid: int) -> int:
    """Unique set size: what ending the process would give back. 0 when it is gone."""
    return _rollup(pid, "Private_Clean:") + _rollup(pid, "Private_Dirty:")


def available_bytes() -> int:
    """What this machine could give to new processes without swapping, as the kernel estimates it."""
    rows = dict(line.split(":", 1) for line in (PROC / "meminfo").read_text().splitlines())
    return int(rows["MemAvailable"].split()[0]) * 1024


def cpu_seconds(pid: int) -> float:
    """CPU time of all its threads so far, in nanosecond steps (schedstat; stat counts in 10 ms). 0 when it is gone."""
    total_ns = 0
    try:
        for thread in (PROC / str(pid) / "task").iterdir():
            total_ns += int((thread / "schedstat").read_text().split()[0])
    except (OSError, IndexError):
        return total_ns / 1e9
    return total_ns / 1e9


def listener(port: int) -> tuple[int, str] | None:
    """The pid and name of the process that listens on a TCP port of this machine; pid 0 if it cannot be told whose."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(PROC / "net" / table, port)}
    if not inodes:
        return None
    for entry in PROC.iterdir():
        if entry.name.isdigit() and inodes & _sockets(entry / "fd"):
            return int(entry.name), _name(entry)
    return 0, "a process of another user"


def refuse_taken_port(port: int, unless: str = "") -> None:
    """Refused with the process that listens on the port already, if it is not called `unless`."""
    owner = listener(port)
    if owner is not None and owner[1] != unless:
        raise Refused(f"port {port} is taken by {owner[1]} (pid {owner[0]})")


def _name(entry: Path) -> str:
    try:
        return (entry / "comm").read_text().strip()
    except OSError:
        return "a process that has just ended"


def _listening(table: Path, port: int) -> set[str]:
    found: set[str] = set()
    try:
        rows = table.read_text().splitlines()[1:]
    except OSError:
        return found
    for row in rows:
        fields = row.split()
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:  # 0A: LISTEN
            found.add(f"socket:[{fields[9]}]")
    return found


def _sockets(directory: Path) -> set[str]:
    """What a process has open; one that it closes meanwhile does not hide the others."""
    found: set[str] = set()
    try:
        entries = list(directory.iterdir())
    except OSError:
        return found
    for entry in entries:
        try:
            found.add(str(entry.readlink()))
        except OSError:
            continue
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the third on; the name before them may hold anything."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _rollup(pid: int, key: str) -> int:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(key))
