"""What the probe reported, parsed into plain values.

Out of scope: whose they are, which a comparison with another reading shows (`lab/boundaries`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

EPERM, ENOSYS = 1, 38


@dataclass(frozen=True)
class Walk:
    """A directory tree of the kernel: entries seen, entries that may be used, and the first of these by name."""

    seen: int
    usable: int
    names: list[str] = field(default_factory=list)
    block: int = 0


@dataclass(frozen=True)
class Limit:
    """A limit that was tried: how much was asked for and granted, and what ended it (a signal, or an error's number)."""

    asked: float
    got: float
    signal: int = 0
    error: int = 0


@dataclass(frozen=True)
class Reading:
    """What one copy saw. Masks of capabilities are the kernel's; a call's value is its error, below 0 a signal.

    Without a /proc most of it is empty: texts are "", numbers 0, and there are no namespaces."""

    release: str
    boot_id: str
    host_name: str
    uid: int
    user_map: str
    namespaces: dict[str, str]
    processes: int
    root: tuple[int, ...]
    root_options: str
    mounts: int
    links: list[str]
    capabilities: int
    regainable: int
    bounding: int
    no_new_privileges: bool
    seccomp_mode: int
    calls: dict[str, int]
    asked: dict[str, int]
    settings: Walk
    devices: Walk
    paths: dict[str, str]
    memory_bytes: int
    processors: int
    files_most: int
    memory: Limit | None = None
    tasks: Limit | None = None
    cpus: Limit | None = None

    def refused_calls(self) -> set[str]:
        """The system calls that failed with EPERM or ENOSYS, or ended the caller, whatever their arguments."""
        return {name for name, value in self.calls.items() if value in (EPERM, ENOSYS) or value < 0}


def parse(body: bytes) -> Reading:
    """The reading in an answer; ValueError for anything else."""
    try:
        found = json.loads(body)
        return _reading(found, found["files"])
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise ValueError(f"this is not an answer of the probe ({type(error).__name__}: {error})") from error


def _reading(found: dict[str, Any], files: dict[str, str | None]) -> Reading:
    status = _members(files["/proc/self/status"] or "")
    mounts = (files["/proc/self/mountinfo"] or "").splitlines()
    memory = _members(files["/proc/meminfo"] or "").get("MemTotal", "0").split()
    effective = int(status.get("CapEff", "0"), 16)
    bounding = int(status.get("CapBnd", "0"), 16)
    held_back = status.get("NoNewPrivs") == "1"
    files_most = re.search(r"^Max open files\s+\S+\s+(\d+)", files["/proc/self/limits"] or "", re.MULTILINE)
    return Reading(
        release=found["release"],
        boot_id=(files["/proc/sys/kernel/random/boot_id"] or "").strip(),
        host_name=found["host"],
        uid=found["uid"],
        user_map=" ".join((files["/proc/self/uid_map"] or "").split()),
        namespaces=dict(found["namespaces"]),
        processes=found["processes"]["seen"],
        root=tuple(found["root"]),
        root_options=next((line.split()[5] for line in reversed(mounts) if line.split()[4] == "/"), ""),
        mounts=len(mounts),
        links=re.findall(r"^\s*(\S+):", files["/proc/self/net/dev"] or "", re.MULTILINE),
        capabilities=effective,
        regainable=0 if held_back else bounding,
        bounding=bounding,
        no_new_privileges=held_back,
        seccomp_mode=int(status.get("Seccomp", "0")),
        calls=dict(found.get("calls", {})),
        asked=dict(found.get("asked", {})),
        settings=_walk(found["sysctls"]),
        devices=_walk(found["devices"]),
        paths=dict(found["paths"]),
        memory_bytes=int(memory[0]) * 1024,
        processors=found["limits"]["processors"],
        files_most=int(files_most[1]) if files_most else 0,
        **_limits(found["limits"]),
    )


def _limits(found: dict[str, Any]) -> dict[str, Limit]:
    """The limits that were tried; of CPUs how many were busy at a time, on average."""
    tried = {
        name: Limit(part["asked"], part["got"], part.get("signal", 0), part["error"])
        for name, part in found.items()
        if name in ("memory", "tasks")
    }
    if cpus := found.get("cpus"):
        tried["cpus"] = Limit(cpus["asked"], cpus["used_ns"] / cpus["wall_ns"])
    return tried


def _walk(found: dict[str, Any]) -> Walk:
    return Walk(found["seen"], found["usable"], list(found["may"]), found["block"])


def _members(text: str) -> dict[str, str]:
    """Lines of `name: value`."""
    parts = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in parts}
