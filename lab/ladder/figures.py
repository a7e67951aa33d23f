"""From samples to figures: each step's median with its interval, what it adds to the one before, how many times fork and exec.

A step's value of a block is the median of its boots there, and blocks are what is resampled. What a rung adds is the median of
the differences within a block, with the interval of that median: a slow minute of the machine hits both sides of it. An
interval that holds 0 shows no difference. Where the step before was not measured nothing is said about what a rung adds: the
difference from an earlier step would be that of several rungs. Left out: what a step beyond our own rungs adds; it is another
program, not one step more.
"""

from __future__ import annotations

from typing import Any

from lab import results, stats
from lab.ladder.steps import FIRST, LAST
from lab.results import RunData
from machine import places

Figure = dict[str, Any]


def figures(run: RunData) -> dict[str, Any]:
    """What `--json` prints: `rungs` in the ladder's order, and what was not measured."""
    booted = [(key, facts) for key, facts in run.stacks.items() if facts.get("available")]
    values = {key: _by_block(run, key) for key, _ in booted}
    rungs: list[Figure] = []
    for key, facts in booted:
        if not values[key]:
            continue
        variant = facts["variant"]
        before = values.get(f"{facts['after']} ({variant})") if facts.get("after") else None
        rungs.append(_row(facts, values[key], before, values.get(f"{FIRST} ({variant})")))
    return {
        "run": run.run,
        "seed": run.seed,
        "finished": run.finished,
        "host": run.host,
        "rungs": rungs,
        "not_measured": [_missing(facts) for facts in run.stacks.values() if not facts.get("available")],
    }


def folder() -> Any:
    """Where ladders are kept: apart from the runs, so that the newest run stays one that can be compared."""
    return places.runs() / "ladder"


def newest_costs(name_of_all: str) -> dict[str, dict[str, Any]]:
    """What the newest ladder says of the service with no rung and with all of ours; {} when there is none."""
    runs = results.list_runs(folder())
    if not runs:
        return {}
    found = figures(results.load(runs[0], folder()))
    names = {FIRST: FIRST, LAST: name_of_all}
    return {
        names[row["rung"]]: {"boot_seconds": row["boot_seconds"]}
        for row in found["rungs"]
        if row["variant"] == "service" and row["rung"] in names
    }


def of(found: dict[str, Any], variant: str) -> list[Figure]:
    """The rows of a variant, in order."""
    return [row for row in found["rungs"] if row["variant"] == variant]


def _row(
    facts: dict[str, Any],
    own: dict[int, float],
    before: dict[int, float] | None,
    first: dict[int, float] | None,
) -> Figure:
    row = {
        "rung": facts["rung"],
        "variant": facts["variant"],
        "adds": facts["adds"],
        "boot_seconds": _summary(list(own.values())),
        "added_seconds": None,
        "ratio_to_fork_exec": None,
        "describes": facts.get("describes", ""),
        "changes": facts.get("changes", []),
        "conditions": facts.get("conditions", {}),
    }
    if before is not None:
        row["added_seconds"] = _summary([own[block] - before[block] for block in own if block in before])
    if first and first is not own:
        interval = stats.ratio_interval(own, first, seed=f"{facts['rung']} {facts['variant']}")
        median = stats.ratio_of_medians(list(own.values()), list(first.values()))
        row["ratio_to_fork_exec"] = {"median": median, "ci95": interval}
    return row


def _summary(values: list[float]) -> dict[str, Any] | None:
    if not values:
        return None
    return {"median": stats.median(values), "ci95": stats.median_interval(values), "n": len(values)}


def _missing(facts: dict[str, Any]) -> dict[str, str]:
    return {name: str(facts.get(name, "")) for name in ("rung", "variant", "reason", "fix")}


def _by_block(run: RunData, key: str) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for sample in run.samples:
        if sample.metric == "boot_seconds" and sample.dimensions["stack"] == key:
            found.setdefault(int(sample.dimensions["block"]), []).append(sample.value)
    return {block: stats.median(values) for block, values in found.items()}
