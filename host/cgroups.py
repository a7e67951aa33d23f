"""Which control groups this machine has, and mounting them where nobody did.

Modes are read from the mounts, not from the kernel's version: the same kernel serves all of them. Left out: limits of
single services.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from host import run

FOLDER = "/sys/fs/cgroup"


@dataclass(frozen=True)
class Cgroups:
    """The mode (none, v1, hybrid, v2) and where each hierarchy is mounted."""

    mode: str
    mounts: tuple[str, ...]


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
    run.run(["mount", "-t", "cgroup2", "cgroup2", FOLDER], timeout=10)
    return True


def unmount() -> None:
    """Take back what `mount` did."""
    run.run(["umount", FOLDER], timeout=10)


def _mode(kinds: set[str]) -> str:
    if not kinds:
        return "none"
    return {"cgroup": "v1", "cgroup2": "v2"}[kinds.pop()] if len(kinds) == 1 else "hybrid"
