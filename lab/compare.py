"""From raw samples to the comparison: medians, intervals, ratios to the bare process, phases, and a verdict.

Everything is derived from the files of the runs, and the same files give the same numbers: the bootstrap is seeded from
the run's seed, the stack and the metric. Left out: how it looks (`lab/export/`), and which samples count (`lab/rows.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from lab import stats
from lab.comparison import Comparison, Metric, Ratio, Substrate
from lab.emulation import accelerators, not_comparable
from lab.results import RunData
from lab.rows import BASE, FAILED, Row, base_of, rows
from lab.verdict import verdict

PHASES = ("accepted", "sandboxed", "kernel", "init", "service", "listening", "answered")
IN_PARTS = ("phase_seconds", "boot_check_seconds", "fixed_part_bytes")
UNATTRIBUTED = "unattributed"
WORTH_A_PHASE_SECONDS = 0.0001


def compare(runs: list[RunData]) -> Comparison:
    """Every stack of these runs, against the bare process."""
    found = rows(runs)
    substrates = {row.label: _substrate(row, base_of(row, found)) for row in found}
    return {
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
        "limits": facts.get("limits") or {},
        "metrics": {name: _metric(row, base, name) for name in row.metrics() if name not in IN_PARTS},
        "phases_seconds": _phases(row),
        "boot_checks_seconds": _checks(row),
    }


def _metric(row: Row, base: Row | None, name: str) -> Metric:
    values = list(row.values(name).values())
    counted = name == FAILED
    return {
        "median": None if counted else stats.median(values),
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
    Below zero it is, too: the median of a sum is not the sum of medians."""
    seen = [str(s.dimensions.get("phase")) for s in row.samples if s.metric == "phase_seconds"]
    order = [name for name in PHASES if name in seen] + [n for n in dict.fromkeys(seen) if n not in PHASES]
    phases = {name: stats.median(list(row.values("phase_seconds", name).values())) for name in order}
    totals = list(row.values("boot_seconds").values())
    rest = stats.median(totals) - sum(phases.values()) if totals else 0.0
    return {**phases, UNATTRIBUTED: rest} if phases and abs(rest) > WORTH_A_PHASE_SECONDS else phases


def _checks(row: Row) -> dict[str, float]:
    """The median of each part of a guest's own account; empty where there is none."""
    parts: dict[str, list[float]] = {}
    for sample in row.samples:
        if sample.metric == "boot_check_seconds":
            parts.setdefault(str(sample.dimensions.get("part")), []).append(sample.value)
    return {part: stats.median(values) for part, values in parts.items()}


def _as_list(interval: Sequence[float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
