"""The verdict: a few sentences that state to a newcomer what the numbers state, and no more than that.

Doubts come first: when the stacks did not run the same bytes under the same limits nothing is claimed, and where an interval
contains 1 no difference is claimed. Out of scope: what is better; that depends on what the reader needs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from catalogue import metrics, milestones, units
from catalogue.substrates import BASE, noun
from lab.analysis.emulation import EMULATED, mixed, not_comparable
from lab.analysis.rows import Row, same_host
from lab.analysis.shapes import Ratio, Substrate, metric

Value = TypeVar("Value", bound=Hashable)


def verdict(rows: list[Row], substrates: Mapping[str, Substrate]) -> str:
    """The sentences for these rows."""
    booted = [row for row in rows if metric(substrates[row.label], metrics.BOOT)["n"]]
    doubts = _doubts(rows, substrates)
    sentences = (_boots, _before, _memory, _fixed)
    claims = doubts or [sentence(booted, substrates) for sentence in sentences]
    emulated = not_comparable([row for row in rows if row.samples])
    return " ".join(sentence for sentence in [*claims, emulated, *_gaps(rows, substrates)] if sentence)


def _doubts(rows: list[Row], substrates: Mapping[str, Substrate]) -> list[str]:
    """Why these rows must not be compared."""
    measured = {row.label: substrates[row.label] for row in rows if row.available}
    found = []
    if text := _different(
        "artifact", {label: s.get("artifact") or None for label, s in measured.items()}, short
    ):
        found.append(f"Not the same bytes: do not compare ({text}).")
    cpus = {label: s.get("limits", {}).get("cpus") for label, s in measured.items()}
    memory = {label: s.get("limits", {}).get("memory_bytes") for label, s in measured.items()}
    for text in (_different("cpus", cpus, str), _different("memory", memory, _bytes)):
        if text:
            found.append(f"Not the same limits: do not compare ({text}).")
    if not same_host([row.run for row in rows if row.available]):
        found.append("Not measured on one machine: do not compare.")
    if text := mixed(rows):
        found.append(text)
    return found


def _different(name: str, members: Mapping[str, Value | None], shown: Callable[[Value], str]) -> str:
    """What each has, where not all have the same; a stack of which it is not known is not a difference."""
    known = {label: value for label, value in members.items() if value is not None}
    if len(set(known.values())) < 2:
        return ""
    return f"{name}: " + ", ".join(f"{label} {shown(value)}" for label, value in known.items())


def _bytes(value: float) -> str:
    return units.quantity(value, units.BYTES)


def short(value: object) -> str:
    """A digest cut to what tells it apart; anything else as it is."""
    kind, colon, digest = str(value).rpartition(":")
    whole = len(digest) >= 32 and all(letter in "0123456789abcdef" for letter in digest)
    return f"{kind}{colon}{digest[:12]}…" if whole else str(value)


def _boots(booted: list[Row], substrates: Mapping[str, Substrate]) -> str:
    if not booted:
        return "Nothing could be measured."
    boots = [(row, metric(substrates[row.label], metrics.BOOT)) for row in booted]
    times = [
        f"{_emulated(row)} {{}}after {units.quantity(boot['median'], units.SECONDS)}"
        for row, boot in boots
        if not boot["ratio_to_process"]
    ]
    ratios = [_ratio(row, boot["ratio_to_process"]) for row, boot in boots if boot["ratio_to_process"]]
    first = times[0].format("gives its first answer ")
    text = ", ".join([first[:1].upper() + first[1:], *(time.format("") for time in times[1:])])
    if not any(row.stack == BASE for row in booted):
        ratios = ["without a bare process in the run there are no ratios"]
    return "; ".join([text, *([", ".join(ratios)] if ratios else [])]) + "."


def _ratio(row: Row, found: Ratio) -> str:
    """The clause of a row that has a ratio."""
    middle, interval = found["median"], found["ci95"]
    if interval is None:
        return f"{_emulated(row)} takes about {units.ratio(middle, None)} times as long (too few boots for an interval)"
    bounds = units.ratio(middle, interval, " to ")
    if interval[0] <= 1 <= interval[1]:
        return f"for {_emulated(row)} no difference could be shown ({bounds.replace(' (', ' times, ')}"
    return f"{_emulated(row)} takes {'only ' if middle < 1 else ''}{bounds.replace(' (', ' times (')} as long"


def _memory(booted: list[Row], substrates: Mapping[str, Substrate]) -> str:
    values = [(row, metric(substrates[row.label], metrics.MEMORY_PSS)) for row in booted]
    parts = [
        f"{units.quantity(found['median'], units.BYTES)} for {_words(row)}"
        for row, found in values
        if found["median"] is not None
    ]
    several = any(row.of_run for row in booted)
    return f"One copy uses this much memory (PSS): {', '.join(parts)}." if parts and not several else ""


def _fixed(booted: list[Row], substrates: Mapping[str, Substrate]) -> str:
    """What runs before the first copy, where that was counted: all copies share it."""
    parts = []
    for row in booted:
        memory, cpu, ready = (
            metric(substrates[row.label], which)["median"]
            for which in (metrics.FIXED_PSS, metrics.FIXED_CPU, metrics.FIXED_READY)
        )
        if memory is None or cpu is None or row.of_run:
            continue
        used = f"{units.quantity(memory, units.BYTES)} (PSS) and {units.quantity(cpu, units.RATIO)} of a CPU"
        start = (
            f"; cold start to Ready took {units.quantity(ready, units.SECONDS)}" if ready is not None else ""
        )
        parts.append(f"Idle, the node and control plane use {used}{start}.")
    return " ".join(parts)


def _before(booted: list[Row], substrates: Mapping[str, Substrate]) -> str:
    """What a guest adds before the service does anything, against the bare process; nothing where there is no guest."""
    guests = [row for row in booted if row.accelerator and not row.of_run]
    bases = [row for row in booted if row.stack == BASE and not row.of_run]
    if not guests or not bases:
        return ""
    times = [(row, _until_service(substrates[row.label])) for row in [*guests, *bases]]
    parts = [
        f"{units.quantity(seconds, units.SECONDS)} in {_words(row)}"
        for row, seconds in times
        if seconds is not None
    ]
    return f"The service's first line runs after {', '.join(parts)}." if len(parts) > 1 else ""


def _until_service(substrate: Substrate) -> float | None:
    """The sum of the phases up to the service's first line; None where it has none (a service that is not ours)."""
    phases = substrate.get("phases_seconds", {})
    if milestones.SERVICE not in phases:
        return None
    return sum(seconds for name, seconds in phases.items() if name in milestones.UNTIL_SERVICE)


def _gaps(rows: list[Row], substrates: Mapping[str, Substrate]) -> list[str]:
    """What is missing from the numbers."""
    failed = [
        (_of_run(row, row.stack), metric(substrates[row.label], metrics.BOOT_FAILED)["n"]) for row in rows
    ]
    found = [
        f"{count} boot{'s' if count > 1 else ''} of {label} never gave a valid answer and "
        f"{'are' if count > 1 else 'is'} not in these numbers."
        for label, count in failed
        if count
    ]
    if unread := [
        row.label for row in rows if row.available and row.samples and not row.facts.get("artifact")
    ]:
        found.append(
            f"The bytes that {' and '.join(unread)} ran could not be read back: that they are the same is assumed."
        )
    if any(not row.run.finished for row in rows):
        found.append("The run was ended early; these are the samples it had.")
    return found


def _words(row: Row) -> str:
    return _of_run(row, noun(row.stack, row.facts.get("substrate", "")))


def _of_run(row: Row, name: str) -> str:
    return name + (f" (run …{row.of_run})" if row.of_run else "")


def _emulated(row: Row) -> str:
    return _words(row) + (" (emulated CPU)" if row.accelerator == EMULATED else "")
