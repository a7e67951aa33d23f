"""From raw samples to the comparison: medians, intervals, ratios to the bare process, phases, and a verdict.

Everything is derived from the files of the runs, and the same files give the same numbers: the bootstrap is seeded from
the run's seed, the stack and the metric. Out of scope: output forms (`lab/output/`),
and which samples count (`lab/analysis/rows.py`).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from catalogue import metrics, milestones
from catalogue.substrates import BASE
from lab.analysis import stats
from lab.analysis.emulation import accelerators, not_comparable
from lab.analysis.rows import Row, base_of, rows
from lab.analysis.shapes import Comparison, Metric, Ratio, Substrate
from lab.analysis.verdict import verdict
from lab.measuring.runs import RunData
from lab.measuring.schema import VERSION

WORTH_A_PHASE_SECONDS = 0.0001


def compare(runs: list[RunData]) -> Comparison:
    """Every stack of these runs, against the bare process."""
    found = rows(runs)
    substrates = {row.label: _substrate(row, base_of(row, found)) for row in found}
    return {
        "schema": VERSION,
        "run": " + ".join(run.run for run in runs),
        "accelerator": accelerators(found),
        "verdict": verdict(found, substrates),
        "host": max(runs, key=lambda run: run.started).host if runs else {},
        "substrates": substrates,
    }


def _substrate(row: Row, base: Row | None) -> Substrate:
    facts = row.facts
    if not row.available:
        return {"available": False, "reason": str(facts.get("reason", "")), "fix": str(facts.get("fix", ""))}
    return {
        "available": True,
        "accelerator": row.accelerator,
        "not_comparable": not_comparable([row]),
        "conditions": facts.get("conditions") or {},
        "artifact": facts.get("artifact"),
        "limits": facts.get("limits") or {},  # type: ignore[typeddict-item]
        "metrics": {name: _metric(row, base, name) for name in row.metrics() if name not in metrics.IN_PARTS},
        "phases_seconds": _phases(row),
        "boot_checks_seconds": _checks(row),
    }


def _metric(row: Row, base: Row | None, name: str) -> Metric:
    values = list(row.values(name).values())
    counted = name == metrics.BOOT_FAILED.name
    return {
        "median": None if counted else statistics.median(values),
        "ci95": None if counted else _as_list(stats.median_interval(values)),
        "n": len(values),
        "unit": row.unit(name),
        "ratio_to_process": None if counted or base is None else _ratio(row, base, name),
    }


def _ratio(row: Row, base: Row, name: str) -> Ratio | None:
    above, below = row.values(name), base.values(name)
    if not below or row.unit(name) != base.unit(name):
        return None
    middle = stats.ratio_of_medians(list(above.values()), list(below.values()))
    if middle is None:
        return None
    interval = stats.ratio_interval(above, below, f"{row.run.seed}/{row.stack}/{BASE}/{name}")
    return {"median": middle, "ci95": _as_list(interval)}


def _phases(row: Row) -> dict[str, float]:
    """The median of each phase in the order of a boot, and what they leave of the median total, so that they add up to it.
    The rest may be negative: the median of a sum is not the sum of medians."""
    phase = metrics.PHASE.name
    order = milestones.in_order([str(s.dimensions.get("phase")) for s in row.samples if s.metric == phase])
    phases = {name: statistics.median(list(row.values(phase, name).values())) for name in order}
    totals = list(row.values(metrics.BOOT.name).values())
    rest = statistics.median(totals) - sum(phases.values()) if totals else 0.0
    return (
        {**phases, milestones.UNATTRIBUTED: rest} if phases and abs(rest) > WORTH_A_PHASE_SECONDS else phases
    )


def _checks(row: Row) -> dict[str, float]:
    """The median of each part of a guest's own account; empty where there is none."""
    parts: dict[str, list[float]] = {}
    for sample in row.samples:
        if sample.metric == metrics.BOOT_CHECK.name:
            parts.setdefault(str(sample.dimensions.get("part")), []).append(sample.value)
    return {part: statistics.median(values) for part, values in parts.items()}


def _as_list(interval: Sequence[float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
