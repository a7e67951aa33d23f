"""The results of measuring, as files: one folder a run, `run.json` beside `samples.jsonl`.

The files are the truth. Samples are appended and flushed one by one, so that a killed run keeps what it had; run.json is
replaced in one step, so that a reader never sees half of it. A run is never overwritten. Left out: what the values mean.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.sample import Sample, parse
from machine import places
from machine.errors import InvalidInput, VmlabError

FACTS, SAMPLES = "run.json", "samples.jsonl"


@dataclass(frozen=True)
class RunData:
    """A run as it was read; `notes` say what was left out while reading."""

    run: str
    directory: Path
    started: str
    finished: bool
    seed: int
    quick: bool
    host: dict[str, Any]
    stacks: dict[str, dict[str, Any]]
    samples: list[Sample]
    notes: list[str]


class RunWriter:
    """A run that is going on."""

    def __init__(self, directory: Path, facts: dict[str, Any]) -> None:
        self.directory = directory
        self.run: str = facts["run"]
        self.stacks: dict[str, dict[str, Any]] = facts["stacks"]
        self._facts = facts
        self._write_facts()

    def add(self, sample: Sample) -> None:
        """Keep a sample; it is in the file when this returns."""
        line = sample.line()
        with (self.directory / SAMPLES).open("a", encoding="utf-8") as file:
            file.write(line)

    def set_stack(self, name: str, facts: dict[str, Any]) -> None:
        """Keep what is known of a stack: its artifact, limits and conditions, or why it could not be measured."""
        self.stacks[name] = facts
        self._write_facts()

    def finish(self) -> None:
        """The run came to its end; everything is on the disk when this returns."""
        with (self.directory / SAMPLES).open("a", encoding="utf-8") as file:
            os.fsync(file.fileno())
        self._facts["finished"] = True
        self._write_facts()

    def _write_facts(self) -> None:
        path = self.directory / FACTS
        fresh = path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(self._facts, file, indent=2, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def create(*, host: dict[str, Any], seed: int, quick: bool = False, root: Path | None = None) -> RunWriter:
    """Start a run in a folder of its own."""
    now = datetime.now(UTC)
    directory = _fresh(root or places.runs(), f"{now:%Y%m%dT%H%M%SZ}")
    run = directory.name
    started = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    facts = {"run": run, "started": started, "finished": False, "seed": seed, "quick": quick}
    return RunWriter(directory, {**facts, "host": host, "stacks": {}})


def _fresh(root: Path, second: str) -> Path:
    """A folder nobody has. Four digits are kind to who types them, and too few to be unique: 300 runs begun in one
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


def latest(root: Path | None = None) -> RunData:
    """The newest run, finished or not."""
    runs = list_runs(root)
    if not runs:
        raise VmlabError("there is no run yet", "./vmlab run --quick")
    return load(runs[0], root)


def load(run: str | Path, root: Path | None = None) -> RunData:
    """A run by its id, or by the path of its folder."""
    directory = _directory(run, root or places.runs())
    facts = _facts(directory / FACTS)
    samples, notes = _samples(directory / SAMPLES)
    if not facts["finished"]:
        notes.append("the run was ended before its end")
    members = {
        name: facts[name] for name in ("run", "started", "finished", "seed", "quick", "host", "stacks")
    }
    return RunData(directory=directory, samples=samples, notes=notes, **members)


def _directory(run: str | Path, root: Path) -> Path:
    by_id = root / run
    for directory in (by_id, Path(run)):
        if (directory / FACTS).is_file():
            return directory
    raise InvalidInput(f"there is no run {str(run)!r} in {root}", f"ls {root}")


def _started(path: Path) -> str:
    """When a run was started; a broken one is listed by its name, so that loading it says what is wrong."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["started"])
    except (ValueError, KeyError, TypeError):
        return ""


def _facts(path: Path) -> dict[str, Any]:
    wanted = {
        "run": str,
        "started": str,
        "finished": bool,
        "seed": int,
        "quick": bool,
        "host": dict,
        "stacks": dict,
    }
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise VmlabError(f"{path} is broken: {error}") from error
    for name, kind in wanted.items():
        if not isinstance(facts, dict) or not isinstance(facts.get(name), kind):
            raise VmlabError(f"{path} is broken: {name!r} is missing or is no {kind.__name__}")
    return dict(facts)


def _samples(path: Path) -> tuple[list[Sample], list[str]]:
    """All samples; a last line without its end is what a killed run leaves, and is left out with a note."""
    raw = path.read_bytes() if path.exists() else b""
    samples = []
    for number, line in enumerate(raw.splitlines(keepends=True), start=1):
        try:
            samples.append(parse(line.decode()))
        except ValueError as error:
            if not line.endswith(b"\n"):
                return samples, [f"the last line of {path.name} is torn and was left out"]
            raise VmlabError(f"{path}, line {number}, is no sample: {error}") from error
    return samples, []
