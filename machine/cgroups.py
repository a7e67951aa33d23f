"""Control groups: what one limits and uses, and which hierarchies this machine has.

Versions 1 and 2, and both at once (hybrid), are distinguished by what is mounted, not by the kernel's version: the same
kernel serves all of them. Out of scope: making groups for copies of the service (`substrates/rungs/cgroups.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from machine import commands, files
from machine.processes import PROC

FOLDER = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Cgroups:
    """The mode (none, v1, hybrid, v2) and where each hierarchy is mounted."""

    mode: str
    mounts: tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """What a control group holds its processes to; None where it limits nothing."""

    cpus: float | None
    memory_bytes: int | None
    processes: int | None


def folders(pid: int, proc: Path = PROC, folder: Path | None = None) -> dict[str, Path]:
    """The process's control group by controller, "" for version 2; empty when the process is gone."""
    base, found = folder or FOLDER, {}
    for row in files.read_text(proc / str(pid) / "cgroup").splitlines():
        _, controllers, path = row.split(":", 2)
        if not controllers:
            unified = base / "unified" if (base / "unified").is_dir() else base  # hybrid mounts it there
            found[""] = unified / path.lstrip("/")
        for controller in filter(None, controllers.split(",")):
            joint = base / controllers  # "cpu,cpuacct" is one mount, with links of the single names
            found[controller] = (joint if joint.exists() else base / controller) / path.lstrip("/")
    return found


def held(pid: int) -> Held | None:
    """What limits the running process, read from its own control group; None when the process is gone."""
    groups = folders(pid)
    if not groups:
        return None
    two = groups.get("")
    memory = _limit(groups.get("memory"), "memory.limit_in_bytes") or _limit(two, "memory.max")
    number = _limit(groups.get("pids"), "pids.max") or _limit(two, "pids.max")
    return Held(_cpus_1(groups.get("cpu")) or _cpus_2(two), memory, number)


def memory_bytes(pid: int, above: int = 0) -> int | None:
    """What the process's control group uses, caches included, or the one `above` it; None when nothing counts it."""
    groups = {name: [folder, *folder.parents][above] for name, folder in folders(pid).items()}
    return _number(groups.get("memory"), "memory.usage_in_bytes") or _number(groups.get(""), "memory.current")


def prune(folder: Path) -> list[str]:
    """Remove a control group and those below it, leaves first, as far as none has processes; the removed ones."""
    groups = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
    return [str(path) for path in (*groups, folder) if files.remove_empty(path)]


def named(name: str) -> list[Path]:
    """The control group of this name below the root of each mounted hierarchy, where it exists."""
    return [path for mount in detect().mounts if (path := Path(mount) / name).is_dir()]


def detect(root: Path = Path("/")) -> Cgroups:
    """Read the mounts of this process, or of a recorded tree."""
    kinds: dict[str, str] = {}
    for line in (root / "proc/self/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split(" ")
        if kind in ("cgroup", "cgroup2"):
            kinds[target] = kind
    return Cgroups(_mode(set(kinds.values())), tuple(sorted(kinds)))


def mount(root: Path = Path("/")) -> bool:
    """Mount cgroup v2 if nothing at all is mounted; whether it was done.

    With no v1 hierarchy in the way v2 has every controller, and it is one mount where v1 is a dozen.
    """
    if detect(root).mode != "none":
        return False
    commands.run(["mount", "-t", "cgroup2", "cgroup2", str(FOLDER)], timeout_seconds=10)
    return True


def unmount() -> None:
    """Take back what `mount` did."""
    commands.run(["umount", str(FOLDER)], timeout_seconds=10)


def _cpus_1(folder: Path | None) -> float | None:
    quota, period = _number(folder, "cpu.cfs_quota_us"), _number(folder, "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def _cpus_2(folder: Path | None) -> float | None:
    words = _text(folder, "cpu.max").split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdigit() else None


def _limit(folder: Path | None, file: str) -> int | None:
    """Version 1 writes "none" as the largest multiple of a page below 2**63, version 2 as "max"."""
    found = _number(folder, file)
    return None if found is None or found >= 2**62 else found


def _number(folder: Path | None, file: str) -> int | None:
    text = _text(folder, file)
    return int(text) if text.lstrip("-").isdigit() else None


def _text(folder: Path | None, file: str) -> str:
    return files.read_text(folder / file).strip() if folder else ""


def _mode(kinds: set[str]) -> str:
    if not kinds:
        return "none"
    return {"cgroup": "v1", "cgroup2": "v2"}[kinds.pop()] if len(kinds) == 1 else "hybrid"
