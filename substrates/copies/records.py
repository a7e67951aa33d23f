"""What runs: one folder a copy under the run directory, `<kind>/<name>`, with its spec, its plan, its log and its data.

A copy is found by its spec file, without any state, also when an older version of the lab wrote it. Every process of a
copy has the path of its folder in its environment; by it a copy is found whose starter was killed before it noted the pid.
Out of scope: starting (`launch`), stopping (`life`) and cleaning up (`removal`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from machine import addresses, files, places, processes
from substrates import rungs

PROCESS, NAMESPACES = "process", "namespaces"  # the kinds: which substrate a copy belongs to
MARK = "VMLAB_COPY"
UNKNOWN = processes.Process(0, 0)


@dataclass(frozen=True)
class Definition:
    """Everything that is needed to start one copy."""

    name: str
    command: list[str]  # with {root}, {port}, {data}, {rendered}
    port: int  # on the host's loopback, or with the rung `network` at the address
    health: str
    cpus: float
    memory_bytes: int
    kind: str = NAMESPACES
    rungs: tuple[str, ...] = ()
    root: str = ""  # the tree, on the host; "" where the command has its paths already
    loader: str = ""  # the tree's own dynamic loader, where `/` is not the tree; "" for a static program
    library_path: list[str] = field(default_factory=list)
    pids: int = 256
    address: str = ""  # with the rung `network`
    environment: dict[str, str] = field(default_factory=dict)
    secret_file: str = ""
    data: str = ""  # directory of the service's data; "" for a fresh one that is removed with the copy
    templates: dict[str, str] = field(default_factory=dict)  # files that each copy renders for itself

    @property
    def supervised(self) -> bool:
        """Whether a process of the launcher stays as its parent. A bare process has none."""
        return self.kind != PROCESS

    @property
    def networked(self) -> bool:
        """Whether it has its own address."""
        return "network" in self.rungs

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return folder(self.kind, self.name)


@dataclass(frozen=True)
class Handle:
    """A copy that was started, and its only process without isolation: the supervisor, or a bare process itself."""

    definition: Definition
    process: processes.Process

    @property
    def directory(self) -> Path:
        """Where its files are."""
        return self.definition.folder

    @property
    def url(self) -> str:
        """Where it answers."""
        host = self.definition.address if self.definition.networked else addresses.LOOPBACK
        return f"http://{host}:{self.definition.port}"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.directory / "log"

    def printed(self) -> str:
        """The last lines of it."""
        return "\n".join(log_tail(self.log))

    @property
    def main(self) -> processes.Process:
        """The service's own process: the supervisor's child, or with the rung `pid` the child of its init."""
        found, levels = self.process, 2 if "pid" in self.definition.rungs else 1
        for _ in range(levels if self.definition.supervised else 0):
            children = [
                processes.find(pid) for pid in processes.tree(found.pid) if processes.parent(pid) == found.pid
            ]
            living = [child for child in children if child]
            if not living:
                return UNKNOWN
            found = min(living, key=lambda child: child.start_ticks)
        return found


def find(kind: str, name: str) -> Handle | None:
    """The copy of this name, living or dead; None if there is none on record."""
    raw = files.read_json(folder(kind, name) / "spec.json")
    if raw is None:
        return None
    process = processes.Process(**(raw.get("process") or raw["supervisor"]))
    if process == UNKNOWN:
        process = next(iter(strays(kind, name)), UNKNOWN)
    return Handle(_definition(kind, raw["definition"]), process)


def write(handle: Handle) -> None:
    """Put it on record, all or nothing."""
    content = {"definition": asdict(handle.definition), "process": asdict(handle.process)}
    files.write(handle.directory / "spec.json", json.dumps(content), mode=0o600)


def names(kind: str) -> list[str]:
    """Every copy on record."""
    return sorted(path.name for path in (places.run() / kind).glob("*/"))


def folder(kind: str, name: str) -> Path:
    """Where a copy's files are."""
    return places.run() / kind / name


def strays(kind: str, name: str) -> list[processes.Process]:
    """Every living process that was started for a copy, the oldest first: supervisor and service included."""
    return processes.by_environment(MARK, str(folder(kind, name)))


def log_tail(path: Path, lines: int = 40) -> list[str]:
    """The last lines of a log."""
    return files.read_text(path).splitlines()[-lines:]


def _definition(kind: str, raw: dict[str, Any]) -> Definition:
    """Until November 2026 a record had no kind, and that of a bare process no rungs either: it had the privileges' alone."""
    used = raw.get("rungs", rungs.unprivileged())
    return Definition(**{**raw, "kind": kind, "rungs": tuple(used)})
