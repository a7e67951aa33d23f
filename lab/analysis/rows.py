"""Which samples belong to which row of a comparison.

One run: a row for each stack. Several runs: a stack that was measured in more than one of them has a row for each, because
pooling two days silently hides what changed between them. Boots that failed are counted, and nothing of them is averaged.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from catalogue.metrics import BOOT_FAILED
from catalogue.substrates import BASE
from lab.measuring.runs import RunData, StackFacts
from lab.measuring.samples import Sample
from machine.errors import VmlabError

_SAME_HOST = ("cpu", "cores", "memory_bytes", "kernel")


@dataclass(frozen=True)
class Row:
    """A stack in a run, with the samples that count."""

    label: str
    stack: str
    run: RunData
    facts: StackFacts
    samples: list[Sample]

    @property
    def available(self) -> bool:
        """Whether it could be measured."""
        return bool(self.facts.get("available", True))

    @property
    def of_run(self) -> str:
        """The end of the run's id where the label names one; empty otherwise."""
        return self.run.run[-4:] if self.label != self.stack else ""

    @property
    def accelerator(self) -> str:
        """How a guest's instructions run (kvm, tcg); empty where there is no guest."""
        return str((self.facts.get("conditions") or {}).get("accelerator") or "").lower()

    def metrics(self) -> list[str]:
        """The metrics there are, in the order they were first measured."""
        return list(dict.fromkeys(sample.metric for sample in self.samples))

    def unit(self, metric: str) -> str:
        """A metric's one unit."""
        units = {sample.unit for sample in self.samples if sample.metric == metric}
        if len(units) != 1:
            raise VmlabError(f"{self.run.directory}: {metric} of {self.stack} has the units {sorted(units)}")
        return units.pop()

    def values(self, metric: str, phase: str = "") -> dict[Hashable, float]:
        """The values of a metric by run and block, so that two stacks can be paired."""
        found: dict[Hashable, float] = {}
        for place, sample in enumerate(self.samples):
            if sample.metric == metric and (not phase or sample.dimensions.get("phase") == phase):
                key = (self.run.run, sample.dimensions.get("block", f"{self.stack} {place}"))
                found[key if key not in found else (*key, self.stack, place)] = sample.value
        return found


def rows(runs: list[RunData]) -> list[Row]:
    """One row for each stack and run, the process stack first."""
    found = [
        Row(stack, stack, run, run.stacks.get(stack, {}), _counting(run, stack))
        for run in runs
        for stack in dict.fromkeys([*run.stacks, *(str(s.dimensions["stack"]) for s in run.samples)])
    ]
    measured = [row for row in found if row.available]
    times = [row.stack for row in measured]
    named = [
        Row(f"{row.stack} @ {row.run.run}", row.stack, row.run, row.facts, row.samples)
        if times.count(row.stack) > 1
        else row
        for row in measured
    ]
    missing = {row.stack: row for row in found if row.stack not in times}
    return sorted([*named, *missing.values()], key=lambda row: (not row.available, row.stack != BASE))


def base_of(row: Row, others: list[Row]) -> Row | None:
    """The bare process that a row is compared with: its own run's, else another run's on the same machine."""
    bases = [other for other in others if other.stack == BASE and other.available and _may_share(row, other)]
    own = [base for base in bases if base.run.run == row.run.run]
    base = (own or bases or [row])[0]
    return None if row.stack == BASE or base is row else base


def same_host(runs: list[RunData]) -> bool:
    """Whether all runs were made on one machine, as far as its facts tell."""
    return len({tuple(str(run.host.get(fact)) for fact in _SAME_HOST) for run in runs}) <= 1


def _may_share(row: Row, base: Row) -> bool:
    """Numbers of another machine, or of another accelerator, make no ratio."""
    accelerators = {row.accelerator, base.accelerator} - {""}
    return len(accelerators) <= 1 and same_host([row.run, base.run])


def _counting(run: RunData, stack: str) -> list[Sample]:
    own = [sample for sample in run.samples if sample.dimensions["stack"] == stack]
    failed = {sample.dimensions.get("boot") for sample in own if sample.metric == BOOT_FAILED.name} - {None}
    return [
        sample
        for sample in own
        if sample.metric == BOOT_FAILED.name or sample.dimensions.get("boot") not in failed
    ]
