"""From samples to figures: each step's median with its interval, what it adds to the one before, how many times fork and exec.

A step's value of a block is the median of its boots there, and blocks are what is resampled. What a rung adds is the median of
the differences within a block, with the interval of that median: a slow minute of the machine affects both sides of it. An
interval that contains 0 shows no difference. Where the step before was not measured nothing is stated about what a rung adds:
the difference from an earlier step would be that of several rungs. Out of scope: what a step beyond our own rungs adds; it is
another program, not one step more.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from catalogue import metrics
from lab.analysis import stats
from lab.analysis.emulation import EMULATED
from lab.analysis.stats import Interval
from lab.deploying.outputs import Conditions
from lab.ladder.steps import FIRST, LAST, Missing
from lab.measuring import runs
from lab.measuring.host import Host
from lab.measuring.runs import RunData, StackFacts
from machine import files, places

FILE = "ladder.json"
Blocks = dict[int, float]


@dataclass(frozen=True)
class Ratio:
    """How many times the boot of `fork+exec`."""

    median: float
    ci95: Interval | None


@dataclass(frozen=True)
class Summary:
    """A median of blocks with its interval; seconds."""

    median: float
    ci95: Interval | None
    n: int


@dataclass(frozen=True)
class Figure:
    """One step in one variant."""

    rung: str
    variant: str
    adds: str
    boot_seconds: Summary
    added_seconds: Summary | None = None
    ratio_to_fork_exec: Ratio | None = None
    describes: str = ""
    changes: list[str] = field(default_factory=list)
    conditions: Conditions = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The step as a table names it: `+ mount`, or its name beyond our own rungs."""
        if not self.adds:
            return self.rung
        return f"+ {self.adds}" + (f" = {self.rung}" if self.rung != self.adds else "")

    @property
    def added(self) -> str:
        """What it adds, in microseconds: `+123 µs (100 to 150)`; empty where that is not known."""
        if self.added_seconds is None:
            return ""
        low_high = self.added_seconds.ci95
        interval = f" ({low_high[0] * 1e6:.0f} to {low_high[1] * 1e6:.0f})" if low_high else ""
        return f"{self.added_seconds.median * 1e6:+.0f} µs{interval}"

    @property
    def emulated(self) -> bool:
        """Whether a guest ran it without KVM."""
        return self.conditions.get("accelerator") == EMULATED


@dataclass(frozen=True)
class Figures:
    """What `vmlab ladder --json` prints: `rungs` in the ladder's order, and what was not measured."""

    run: str
    seed: int
    finished: bool
    host: Host
    rungs: list[Figure]
    not_measured: list[Missing]

    def of(self, variant: str) -> list[Figure]:
        """The rows of a variant, in order."""
        return [row for row in self.rungs if row.variant == variant]

    def json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def figures(run: RunData) -> Figures:
    """The figures of a run of the ladder."""
    booted = {key: facts for key, facts in run.stacks.items() if facts.get("available")}
    values = {key: _by_block(run, key) for key in booted}
    rungs = []
    for key, facts in booted.items():
        if not values[key]:
            continue
        variant = facts["variant"]
        before = values.get(f"{facts['after']} ({variant})") if facts.get("after") else None
        rungs.append(_figure(facts, values[key], before, values.get(f"{FIRST} ({variant})")))
    missing = [_missing(facts) for facts in run.stacks.values() if not facts.get("available")]
    return Figures(run.run, run.seed, run.finished, run.host, rungs, missing)


def load(folder: Path) -> Figures | None:
    """The figures that lie in a run's folder; None where there are none, or they cannot be read."""
    found = files.read_json(folder / FILE)
    try:
        rungs = [_parsed(row) for row in found["rungs"]]
        missing = [Missing(**_members(Missing, gap)) for gap in found["not_measured"]]
        return Figures(found["run"], found["seed"], found["finished"], found["host"], rungs, missing)
    except (KeyError, TypeError):
        return None


def folder() -> Path:
    """Where ladders are kept: apart from the runs, so that the newest run stays one that can be compared."""
    return places.runs() / "ladder"


def newest_costs(name_of_all: str) -> dict[str, dict[str, Any]]:
    """What the newest ladder has of the service with no rung and with all of ours; {} when there is none."""
    newest = runs.newest(folder())
    if newest is None:
        return {}
    names = {FIRST: FIRST, LAST: name_of_all}
    return {
        names[row.rung]: {metrics.BOOT.name: asdict(row.boot_seconds)}
        for row in figures(runs.load(newest)).of("service")
        if row.rung in names
    }


def _figure(facts: StackFacts, own: Blocks, before: Blocks | None, first: Blocks | None) -> Figure:
    added = [own[block] - before[block] for block in own if block in before] if before is not None else []
    ratio = None
    if first and first is not own:
        interval = stats.ratio_interval(own, first, seed=f"{facts['rung']} {facts['variant']}")
        middle = stats.ratio_of_medians(list(own.values()), list(first.values()))
        ratio = None if middle is None else Ratio(middle, interval)
    return Figure(
        rung=facts["rung"],
        variant=facts["variant"],
        adds=facts["adds"],
        boot_seconds=_summary(list(own.values())),
        added_seconds=_summary(added) if added else None,
        ratio_to_fork_exec=ratio,
        describes=facts.get("describes", ""),
        changes=facts.get("changes", []),
        conditions=facts.get("conditions", {}),
    )


def _summary(values: list[float]) -> Summary:
    return Summary(statistics.median(values), stats.median_interval(values), len(values))


def _missing(facts: StackFacts) -> Missing:
    return Missing(
        facts.get("rung", ""), facts.get("variant", ""), facts.get("reason", ""), facts.get("fix", "")
    )


def _parsed(row: dict[str, Any]) -> Figure:
    parts = {metrics.BOOT.name: Summary, "added_seconds": Summary, "ratio_to_fork_exec": Ratio}
    made = {name: row[name] and kind(**row[name]) for name, kind in parts.items()}
    return Figure(**{**_members(Figure, row), **made})


def _members(kind: type[Figure | Missing], found: dict[str, Any]) -> dict[str, Any]:
    """Those that this version knows."""
    return {row.name: found[row.name] for row in fields(kind) if row.name in found}


def _by_block(run: RunData, key: str) -> Blocks:
    found: dict[int, list[float]] = {}
    for sample in run.samples:
        if sample.metric == metrics.BOOT.name and sample.dimensions["stack"] == key:
            found.setdefault(int(sample.dimensions["block"]), []).append(sample.value)
    return {block: statistics.median(values) for block, values in found.items()}
