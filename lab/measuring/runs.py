"""The results of measuring, as files: one folder a run, `run.json` beside `samples.jsonl`.

The files are the truth. Samples are appended and flushed one by one, so that a killed run keeps what it had; run.json is
replaced whole. A run is never overwritten. Their forms are `docs/schema/run.schema.json` and `sample.schema.json`.
Out of scope: what the values mean.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from lab.deploying.outputs import Conditions, Instance, Limits
from lab.measuring import schema
from lab.measuring.host import Host
from lab.measuring.samples import Sample, parse
from machine import files, places
from machine.errors import InvalidInput, Unavailable, VmlabError

FACTS, SAMPLES = "run.json", "samples.jsonl"


class Declared(TypedDict):
    """Artifact and limits as the program declared them; beside it stands what was read back."""

    artifact: str
    limits: Limits


class StackFacts(TypedDict, total=False):
    """What is known of a stack: measured, or not available with a reason; of a ladder's step also which rung it is."""

    available: bool
    reason: str
    fix: str
    substrate: str
    url: str
    instance: Instance
    artifact: str | None
    limits: Limits
    declared: Declared
    conditions: Conditions
    rung: str
    variant: str
    adds: str
    after: str
    describes: str
    changes: list[str]


class Facts(TypedDict):
    """run.json."""

    schema: int
    run: str
    started: str
    finished: bool
    seed: int
    quick: bool
    host: Host
    stacks: dict[str, StackFacts]


@dataclass(frozen=True)
class RunData:
    """A run as it was read; `notes` state what was left out while reading."""

    run: str
    directory: Path
    started: str
    finished: bool
    seed: int
    quick: bool
    host: Host
    stacks: dict[str, StackFacts]
    samples: list[Sample]
    notes: list[str]


class RunWriter:
    """A run in progress."""

    def __init__(self, directory: Path, facts: Facts) -> None:
        self.directory = directory
        self.run = facts["run"]
        self.stacks = facts["stacks"]
        self._facts = facts
        self._write_facts()

    def add(self, sample: Sample) -> None:
        """Keep a sample; it is in the file when this returns."""
        line = sample.line()
        with (self.directory / SAMPLES).open("a", encoding="utf-8") as file:
            file.write(line)

    def set_stack(self, name: str, facts: StackFacts) -> None:
        """Keep what is known of a stack."""
        self.stacks[name] = facts
        self._write_facts()

    def finish(self) -> None:
        """The run came to its end; everything is on disk when this returns."""
        with (self.directory / SAMPLES).open("a", encoding="utf-8") as file:
            os.fsync(file.fileno())
        self._facts["finished"] = True
        self._write_facts()

    def _write_facts(self) -> None:
        text = json.dumps(self._facts, indent=2, ensure_ascii=False)
        files.write(self.directory / FACTS, text, durable=True)


def unavailable(error: Exception, fix: str = "") -> StackFacts:
    """The facts of a stack that could not be measured because of this error; `fix` when the error has none."""
    if isinstance(error, Unavailable):
        return {"available": False, "reason": error.reason, "fix": error.fix}
    return {"available": False, "reason": str(error), "fix": getattr(error, "next_command", "") or fix}


def create(*, host: Host, seed: int, quick: bool = False, root: Path | None = None) -> RunWriter:
    """Start a run in a new folder."""
    now = datetime.now(UTC)
    directory = _fresh(root or places.runs(), f"{now:%Y%m%dT%H%M%SZ}")
    facts: Facts = {
        "schema": schema.VERSION,
        "run": directory.name,
        "started": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "finished": False,
        "seed": seed,
        "quick": quick,
        "host": host,
        "stacks": {},
    }
    return RunWriter(directory, facts)


def _fresh(root: Path, second: str) -> Path:
    """A folder with a name that is free. Four digits are easy to type and too few to be unique: 300 runs started in one
    second collide in every second try (seen in a test), so a taken name is drawn again."""
    while True:
        directory = root / f"{second}-{secrets.token_hex(2)}"
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        return directory


def list_runs(root: Path | None = None) -> list[str]:
    """The ids of all runs, the newest first."""
    found = [(_started(path), path.parent.name) for path in (root or places.runs()).glob(f"*/{FACTS}")]
    return [run for _, run in sorted(found, reverse=True)]


def newest(root: Path | None = None) -> Path | None:
    """The folder of the newest run; None when there is none."""
    runs = list_runs(root)
    return (root or places.runs()) / runs[0] if runs else None


def latest(root: Path | None = None) -> RunData:
    """The newest run, finished or not."""
    folder = newest(root)
    if folder is None:
        raise VmlabError("there is no run yet", "./vmlab run --quick")
    return load(folder, root)


def load(run: str | Path, root: Path | None = None) -> RunData:
    """A run by its id, or by the path of its folder. InvalidInput when it does not exist or run.json cannot be read."""
    directory = _directory(run, root or places.runs())
    facts = _facts(directory / FACTS)
    samples, notes = _samples(directory / SAMPLES)
    if not facts["finished"]:
        notes.append("the run was ended before its end")
    return RunData(
        run=facts["run"],
        directory=directory,
        started=facts["started"],
        finished=facts["finished"],
        seed=facts["seed"],
        quick=facts["quick"],
        host=facts["host"],
        stacks=facts["stacks"],
        samples=samples,
        notes=notes,
    )


def _directory(run: str | Path, root: Path) -> Path:
    for directory in (root / run, Path(run)):
        if (directory / FACTS).is_file():
            return directory
    raise InvalidInput(f"there is no run {str(run)!r} in {root}", f"ls {root}")


def _started(path: Path) -> str:
    """When a run was started; a broken one is listed by its name, so that loading it reports what is wrong."""
    found = files.read_json(path)
    return str(found.get("started", "")) if isinstance(found, dict) else ""


def _facts(path: Path) -> Facts:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{path} is broken: {error}") from error
    schema.check(found, "run", path)
    facts: Facts = found
    return facts


def _samples(path: Path) -> tuple[list[Sample], list[str]]:
    """All samples; an incomplete last line is what a killed run leaves, and is left out with a note."""
    raw = path.read_bytes() if path.exists() else b""
    samples = []
    for number, line in enumerate(raw.splitlines(keepends=True), start=1):
        try:
            samples.append(parse(line.decode()))
        except ValueError as error:
            if not line.endswith(b"\n"):
                return samples, [f"the last line of {path.name} is torn and was left out"]
            raise InvalidInput(f"{path}, line {number}, is not a sample: {error}") from error
    return samples, []
