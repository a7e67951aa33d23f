"""Making cgroups of either version by one interface: which folders a copy has, and what is written into which file.

Version 1 (and a hybrid, where version 2 is mounted without controllers) has a tree for each controller; version 2 has one
tree, in which every level has to enable its controllers for the next one. Ours are below one level of the lab's own at the
top. Out of scope: reading what limits a process (`machine.cgroups`); I/O and CPU sets, delegation to users, freezing.
"""

from __future__ import annotations

import hashlib
import os
import signal
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from machine import files
from machine.cgroups import FOLDER as CGROUPS
from machine.errors import Unavailable, VmlabError
from machine.waiting import Deadline

PERIOD_MICROSECONDS = 100_000
CONTROLLERS = ("cpu", "memory", "pids")
EMPTY_SECONDS = 5.0
Setting = tuple[Path, str]  # a file, and what to write into it


@dataclass(frozen=True)
class Held:
    """The limits of a group."""

    cpus: float
    memory_bytes: int
    pids: int


class Cgroups(ABC):
    """What is the same in both versions: folders, members, and how they are removed."""

    def __init__(self, root: Path, base: str) -> None:
        self.root, self.base = root, base

    @abstractmethod
    def bases(self) -> list[Path]:
        """The lab's own level, above the copies."""

    def opening(self, folder: Path) -> list[Setting]:
        """What to write when this folder was made, so that groups below it can have limits."""
        return []

    @abstractmethod
    def settings(self, name: str, held: Held) -> list[Setting]:
        """What to write to set these limits on a copy."""

    @abstractmethod
    def extras(self, name: str, held: Held) -> list[Setting]:
        """What to write in addition, where the file exists."""

    def entrances(self, name: str) -> list[Path]:
        """The files by which a new process is to move itself into the copy's groups."""
        return []

    def birthplace(self, name: str) -> Path | None:
        """The folder whose group a new process is to be made in."""
        return None

    def count_file(self, name: str) -> Path:
        """Where the copy's largest number of processes is: the pids controller's folder is the last, or the only one."""
        return self.folders(name)[-1] / "pids.max"

    def folders(self, name: str) -> list[Path]:
        """One below each base."""
        return [base / name for base in self.bases()]

    def names(self) -> list[str]:
        """Every copy that has a group."""
        return sorted({path.name for base in self.bases() for path in base.glob("*/")})

    def members(self, name: str) -> list[int]:
        """The processes in a copy's groups."""
        found: set[int] = set()
        for folder in self.folders(name):
            found |= {int(word) for word in files.read_text(folder / "cgroup.procs").split()}
        return sorted(found)

    def change(self, name: str, held: Held) -> None:
        """Change the limits of a running copy, each tried twice: the one with swap may never be below the one without."""
        wanted = [
            *self.settings(name, held),
            *((p, text) for p, text in self.extras(name, held) if p.exists()),
        ]
        for _ in range(2):
            failed = [(path, text) for path, text in wanted if not _written(path, text)]
            wanted = failed
        if wanted:
            raise VmlabError(f"the kernel does not accept {wanted[0][1]} for {wanted[0][0]}")

    def remove(self, name: str) -> None:
        """Kill what is in a copy's groups, and remove them; VmlabError with what does not end.

        First no process in them may fork any more: a service that keeps forking is faster than killing one by one."""
        deadline = Deadline(EMPTY_SECONDS)
        if self.count_file(name).exists():
            _written(self.count_file(name), "0")
        left = [folder for folder in self.folders(name) if folder.exists()]
        while left:
            for pid in self.members(name):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            left = [folder for folder in left if not files.remove_empty(folder) and folder.exists()]
            if left and not deadline.pause(0.001):
                raise VmlabError(
                    f"the cgroup {left[0]} does not become empty; in it are {self.members(name)}"
                )

    def remove_bases(self) -> None:
        """Remove the lab's own level when there is nothing in it."""
        for base in self.bases():
            files.remove_empty(base)


class Version1(Cgroups):
    """A tree for each controller."""

    def bases(self) -> list[Path]:
        """One in each controller's tree."""
        return [self.root / controller / self.base for controller in CONTROLLERS]

    def settings(self, name: str, held: Held) -> list[Setting]:
        """Each in its own tree."""
        cpu, memory, _ = self.folders(name)
        return [
            (cpu / "cpu.cfs_period_us", str(PERIOD_MICROSECONDS)),
            (cpu / "cpu.cfs_quota_us", str(_quota(held.cpus))),
            (memory / "memory.limit_in_bytes", str(held.memory_bytes)),
            (self.count_file(name), str(held.pids)),
        ]

    def extras(self, name: str, held: Held) -> list[Setting]:
        """The same limit for memory with swap, where the kernel counts that; it may not be below the other."""
        return [(self.folders(name)[1] / "memory.memsw.limit_in_bytes", str(held.memory_bytes))]

    def entrances(self, name: str) -> list[Path]:
        """`tasks` takes one thread, and all that the new process has is one."""
        return [folder / "tasks" for folder in self.folders(name)]


class Version2(Cgroups):
    """One tree."""

    def bases(self) -> list[Path]:
        """One."""
        return [self.root / self.base]

    def opening(self, folder: Path) -> list[Setting]:
        """The root enables its controllers for our level, and that for the copies'."""
        words = " ".join(f"+{controller}" for controller in CONTROLLERS)
        handed = [folder.parent / "cgroup.subtree_control", folder / "cgroup.subtree_control"]
        return [(path, words) for path in handed] if folder in self.bases() else []

    def settings(self, name: str, held: Held) -> list[Setting]:
        """All in one folder."""
        (folder,) = self.folders(name)
        return [
            (folder / "cpu.max", f"{_quota(held.cpus)} {PERIOD_MICROSECONDS}"),
            (folder / "memory.max", str(held.memory_bytes)),
            (self.count_file(name), str(held.pids)),
        ]

    def extras(self, name: str, held: Held) -> list[Setting]:
        """No swap, where the kernel has it."""
        return [(self.folders(name)[0] / "memory.swap.max", "0")]

    def birthplace(self, name: str) -> Path | None:
        """The one folder."""
        return self.folders(name)[0]


def base() -> str:
    """The name of the lab's own level; each VMLAB_HOME has another one, so that none removes another's."""
    home = os.environ.get("VMLAB_HOME", "")
    return f"vmlab-{hashlib.sha256(home.encode()).hexdigest()[:8]}" if home else "vmlab"


def here(root: Path = CGROUPS) -> Cgroups:
    """The cgroups of this machine; Unavailable when a controller that the limits need is missing."""
    if (root / "cgroup.controllers").exists():
        missing = set(CONTROLLERS) - set(files.read_text(root / "cgroup.controllers").split())
        found: Cgroups = Version2(root, base())
    else:
        missing = {name for name in CONTROLLERS if not (root / name / "cgroup.procs").exists()}
        found = Version1(root, base())
    if missing:
        names = ", ".join(sorted(missing))
        raise Unavailable(
            f"no cgroup controller {names} under {root}", "boot with it, or leave out the rung 'limits'"
        )
    return found


def _quota(cpus: float) -> int:
    """Microseconds of a period, rounded: 0.29 of it is 28999.99 in floating point."""
    return round(cpus * PERIOD_MICROSECONDS)


def _written(path: Path, text: str) -> bool:
    try:
        path.write_text(text)
    except OSError:
        return False
    return True
