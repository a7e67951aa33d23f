"""The verdict: one or two sentences that say to a newcomer what the numbers say, and no more than that.

Doubts come first: when the stacks did not run the same bytes under the same limits there is no claim at all, and where an
interval holds 1 no difference is claimed. Left out: what is better; that depends on what the reader needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab import units
from lab.comparison import Ratio, Substrate, metric
from lab.emulation import mixed, not_comparable
from lab.rows import BASE, FAILED, Row, same_host

WORDS = {
    "process": "a bare process",
    "chroot": "a process in a chroot",
    "namespaces": "a process in namespaces of its own",
    "docker": "a container",
    "vm": "a virtual machine",
    "vm-slim": "a virtual machine without systemd",
    "vm-other": "a virtual machine with another kernel",
    "kubernetes": "a Kubernetes pod",
}
BEFORE = ("accepted", "sandboxed", "kernel", "init", "service")
_LIMITS = ("cpus", "memory_bytes")


def verdict(rows: list[Row], substrates: Mapping[str, Substrate]) -> str:
    """The sentences for these rows."""
    booted = [row for row in rows if metric(substrates[row.label], "boot_seconds")["n"]]
    doubts = _doubts(rows, substrates)
    sentences = (_boots, _before, _memory, _fixed)
    claims = doubts or [sentence(booted, substrates) for sentence in sentences]
    emulated = not_comparable([row for row in rows if row.samples])
    return " ".join(sentence for sentence in [*claims, emulated, *_gaps(rows, substrates)] if sentence)


def _doubts(rows: list[Row], substrates: Mapping[str, Substrate]) -> list[str]:
    """Why these rows must not be compared."""
    measured = {row.label: substrates[row.label] for row in rows if row.available}
    found = []
    artifacts = {label: s.get("artifact") for label, s in measured.items()}
    if text := _different(artifacts, "artifact"):
        found.append(f"Not the same bytes: do not compare ({text}).")
    for name in _LIMITS:
        if text := _different({label: s.get("limits", {}).get(name) for label, s in measured.items()}, name):
            found.append(f"Not the same limits: do not compare ({text}).")
    if not same_host([row.run for row in rows if row.available]):
        found.append("Not measured on one machine: do not compare.")
    if text := mixed(rows):
        found.append(text)
    return found


def _different(members: Mapping[str, Any], name: str) -> str:
    """Who has what, where not all have the same; a stack that has not said is not held against the others."""
    said = {label: value for label, value in members.items() if value not in (None, "")}
    first = next(iter(said.values()), None)
    if all(value == first for value in said.values()):
        return ""
    shown = {
        label: units.quantity(value, "B") if name == "memory_bytes" else short(value)
        for label, value in said.items()
    }
    return f"{name.removesuffix('_bytes')}: " + ", ".join(
        f"{label} {value}" for label, value in shown.items()
    )


def short(value: object) -> str:
    """A digest cut to what tells it apart; anything else as it is."""
    kind, colon, digest = str(value).rpartition(":")
    whole = len(digest) >= 32 and all(letter in "0123456789abcdef" for letter in digest)
    return f"{kind}{colon}{digest[:12]}…" if whole else str(value)


def _boots(booted: list[Row], substrates: Mapping[str, Substrate]) -> str:
    if not booted:
        return "Nothing could be measured."
    boots = [(row, metric(substrates[row.label], "boot_seconds")) for row in booted]
    times = [
        f"{_emulated(row)} {{}}after {units.quantity(boot['median'], 's')}"
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
    values = [(row, metric(substrates[row.label], "memory_pss_bytes")["median"]) for row in booted]
    parts = [f"{units.quantity(value, 'B')} for {_words(row)}" for row, value in values if value is not None]
    return (
        f"In memory one copy takes {', '.join(parts)}."
        if parts and not any(row.of_run for row in booted)
        else ""
    )


def _fixed(booted: list[Row], substrates: Mapping[str, Substrate]) -> str:
    """What is there before the first copy, where that was counted: it is shared by all of them."""
    parts = []
    for row in booted:
        memory = metric(substrates[row.label], "fixed_pss_bytes")["median"]
        cpu = metric(substrates[row.label], "fixed_cpu_ratio")["median"]
        ready = metric(substrates[row.label], "fixed_ready_seconds")["median"]
        if memory is not None and cpu is not None and not row.of_run:
            parts.append(
                f"what runs {_words(row)} takes {units.quantity(memory, 'B')} and {cpu:.1%} of a CPU"
                + (f", and took {units.quantity(ready, 's')} from nothing" if ready is not None else "")
            )
    return f"Without any copy {', '.join(parts)}." if parts else ""


def _before(booted: list[Row], substrates: Mapping[str, Substrate]) -> str:
    """What a guest adds before the service does anything, against the bare process; nothing where there is no guest."""
    guests = [row for row in booted if row.accelerator and not row.of_run]
    bases = [row for row in booted if row.stack == BASE and not row.of_run]
    if not guests or not bases:
        return ""
    times = [(row, _until_service(substrates[row.label])) for row in [*guests, *bases]]
    parts = [
        f"{units.quantity(seconds, 's')} in {_words(row)}" for row, seconds in times if seconds is not None
    ]
    return f"Before the service's own first line pass {', '.join(parts)}." if len(parts) > 1 else ""


def _until_service(substrate: Substrate) -> float | None:
    """The sum of the phases up to the service's first line; None where it has none (a service that is not ours)."""
    phases = substrate.get("phases_seconds", {})
    if "service" not in phases:
        return None
    return sum(seconds for name, seconds in phases.items() if name in BEFORE)


def _gaps(rows: list[Row], substrates: Mapping[str, Substrate]) -> list[str]:
    """What is missing from the numbers."""
    failed = [
        (
            f"{row.stack}{f' (run …{row.of_run})' if row.of_run else ''}",
            metric(substrates[row.label], FAILED)["n"],
        )
        for row in rows
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
            f"What bytes {' and '.join(unread)} ran could not be read back: the same are assumed, not shown."
        )
    if any(not row.run.finished for row in rows):
        found.append("The run was ended early; these are the samples it had.")
    return found


def _words(row: Row) -> str:
    name = WORDS.get(row.stack) or WORDS.get(str(row.facts.get("substrate")), f"the stack {row.stack}")
    return name + (f" (run …{row.of_run})" if row.of_run else "")


def _emulated(row: Row) -> str:
    return _words(row) + (" (emulated CPU)" if row.accelerator == "tcg" else "")
