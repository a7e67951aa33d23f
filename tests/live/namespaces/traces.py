"""What a copy on the rungs may leave on the host, counted: processes, mounts, links, namespaces, cgroups, files."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from substrates.copies.records import MARK
from substrates.rungs import cgroups, network

Traces = set[str]
SETTLE_SECONDS = 5.0
COPIES = (
    "vmlab-try",
    "vmlab-beside",
    "vmlab-other",
    "vmlab-second",
    *(f"vmlab-boot-{number}" for number in range(120)),
)


def of_host() -> Traces:
    """Links of this home's copies, and its level of cgroups. Other homes' copies come and go on the same bridge."""
    owned = {link for name in COPIES for link in network.links_of(name)}
    groups = {f"cgroup {base}" for base in cgroups.here().bases() if base.exists()}
    return {f"link {link}" for link in owned} | groups


def left(home: Path, before: Traces) -> list[str]:
    """What is of this home, once it has become quiet."""
    return settled(
        lambda: processes(home) + mounts(home) + groups() + sorted(of_host() - before) + files(home)
    )


def processes(home: Path) -> list[str]:
    """Those that were started for a copy of this home."""
    wanted, found = f"{MARK}={home}/".encode(), []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes():
                found.append(f"process {entry.name} {(entry / 'comm').read_text().strip()}")
        except OSError:
            continue
    return found


def mounts(home: Path) -> list[str]:
    """Mounts that the host sees: in this home, or of an artifact's tree. In a tree that is being built others come and go."""
    rows = Path("/proc/self/mountinfo").read_text().splitlines()
    return [f"mount {row}" for row in rows if str(home) in row or "/artifact/" in row.split()[3]]


def groups() -> list[str]:
    """Cgroups of copies."""
    return [f"cgroup of {name}" for name in cgroups.here().names()]


def files(home: Path) -> list[str]:
    """Folders of copies."""
    return [f"folder {path}" for path in (home / "run" / "namespaces").glob("*/")]


def spaces(pid: int) -> dict[str, str]:
    """The namespaces of a process, by kind."""
    folder = Path(f"/proc/{pid}/ns")
    return {path.name: str(path.readlink()) for path in folder.iterdir()}


def in_use(wanted: set[str]) -> list[str]:
    """Those of these namespaces that a process still is in."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            found |= wanted & set(spaces(int(entry.name)).values()) if entry.name.isdigit() else set()
        except OSError:
            continue
    return sorted(found)


def settled(count: Callable[[], list[str]]) -> list[str]:
    """What is counted once it is nothing, or when the time is up: the kernel clears up a moment later."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (found := count()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found
