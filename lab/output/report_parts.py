"""The parts of the report between its pictures: tables and paragraphs as HTML, every text of a run escaped.

Out of scope: the order of the sections (`lab/output/report.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any

from catalogue import metrics as catalogue
from catalogue import milestones, units
from lab.analysis.rows import rows
from lab.analysis.shapes import Comparison
from lab.analysis.stats import RESAMPLES
from lab.analysis.verdict import short
from lab.measuring.runs import RunData
from lab.output import cells, tables
from lab.output.pictures.waterfall import paint


def numbers(comparison: Comparison) -> str:
    """The table that the terminal shows too."""
    body = [tables.html_row(row) for row in cells.measured(comparison)]
    rest = len(cells.HEADINGS) - 1
    for name, reason in cells.missing(comparison):
        missing = f"<td class='missing' colspan='{rest}'>{escape(reason)}</td>"
        body.append(f"<tr><td>{escape(name)}</td>{missing}</tr>")
    boots, _, *marks = cells.remarks(comparison)
    remarks = " ".join([cells.LEGEND, "In brackets: 95 % intervals.", f"{boots}.".capitalize(), *marks])
    return tables.html_of("numbers", cells.HEADINGS, body) + tables.note(remarks)


def phases(comparison: Comparison) -> str:
    """The median of every phase, a column a stack."""
    shown = {
        cells.name(label, substrate): substrate["phases_seconds"]
        for label, substrate in comparison["substrates"].items()
        if substrate.get("phases_seconds")
    }
    body = []
    for phase in milestones.in_order([phase for found in shown.values() for phase in found]):
        texts = [units.quantity(found.get(phase), units.SECONDS) for found in shown.values()]
        row = milestones.SHOWN.get(phase)
        swatch = f"<span class='swatch' style='background:{paint(phase)}'></span>"
        meaning = f"<td style='text-align:left'>{escape(row.meaning if row else '')}</td>"
        values = "".join(f"<td>{escape(text)}</td>" for text in texts)
        body.append(f"<tr><td>{swatch}{escape(phase)}</td>{meaning}{values}</tr>")
    return tables.html_of("", ["phase", "", *shown], body) + _checks(comparison)


def metrics(comparison: Comparison) -> str:
    """Every metric of every stack, also those that have no column above."""
    body = [
        [
            cells.name(label, substrate),
            name,
            units.with_interval(found["median"], found["ci95"], found["unit"]),
            str(found["n"]),
            cells.ratio(substrate, name),
        ]
        for label, substrate in comparison["substrates"].items()
        for name, found in substrate.get("metrics", {}).items()
    ]
    headings = ["stack", "metric", "median (95 %)", "n", "× process (95 %)"]
    return tables.html("numbers metrics", headings, body) if body else ""


def facts(comparison: Comparison) -> str:
    """Artifact, limits and conditions side by side; rows that differ are marked."""
    columns = {
        cells.name(label, s): {
            "artifact": s.get("artifact") or "not known",
            **_flat("limits", _of_host(s.get("limits", {}))),
            **_flat("conditions", s.get("conditions", {})),
        }
        for label, s in comparison["substrates"].items()
        if s["available"]
    }
    names = dict.fromkeys(name for column in columns.values() for name in column)
    if not names:
        return ""
    order = sorted(names, key=lambda name: (name != "artifact", not name.startswith("limits")))
    note = tables.note(
        "Marked rows differ between the stacks: a difference in the numbers may come from them."
    )
    return note + tables.html_of("facts", ["", *columns], [_fact(name, columns) for name in order])


def host(comparison: Comparison) -> str:
    """The machine, as it was seen at the start."""
    body = [
        f"<tr><td>{escape(name.removesuffix('_bytes'))}</td><td>{escape(_text(name, value))}</td></tr>"
        for name, value in comparison["host"].items()
    ]
    return f"<table class='facts'><tbody>{''.join(body)}</tbody></table>"


def method(run: RunData) -> str:
    """How the numbers were made."""
    blocks = len({s.dimensions["block"] for s in run.samples if "block" in s.dimensions})
    quick = " This was a quick run: few boots, so the intervals are wide." if run.quick else ""
    texts = [
        "Every boot is a fresh copy of what the stack runs. The clock is the host's CLOCK_MONOTONIC alone; it starts just "
        "before the create call and stops at the first valid answer (HTTP 200) that a client on the host receives.",
        f"The boots were made in {blocks} blocks. A block boots each stack once, in an order shuffled with the seed "
        f"{run.seed}, so that a slow minute of the machine affects all of them alike.{quick}",
        "Shown are medians. Their 95 % intervals are order statistics, and need at least 6 values. A ratio is the ratio of "
        f"the medians; its interval is a bootstrap of {RESAMPLES} resamples, paired by block. No value is removed; a boot "
        "that never answered is counted apart.",
        "Memory is PSS (proportional set size), which divides shared pages among the processes that share them, summed over "
        "every process that the copy needs.",
    ]
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def raw_data(run: RunData) -> str:
    """Where the samples are, and what was noticed while reading them."""
    notes = "".join(f"<p>{escape(note.capitalize())}.</p>" for note in run.notes)
    place = f"<code>{escape(str(run.directory.resolve()))}</code>"
    return (
        f"<p>{len(run.samples)} samples in {place}: <code>samples.jsonl</code>, one JSON object a line, and "
        "<code>run.json</code>. Everything on this page is derived from these two files: "
        f"<code>vmlab compare {escape(run.run)}</code>.</p>{notes}"
    )


def boots(run: RunData, label: str) -> list[float]:
    """A stack's boot times in the order they were made."""
    return [
        value
        for row in rows([run])
        if row.label == label
        for value in row.values(catalogue.BOOT.name).values()
    ]


def readable_time(started: str) -> str:
    """The start as a date and a time of day; as it stands when it is none."""
    try:
        return f"{datetime.fromisoformat(started):%d %B %Y, %H:%M UTC}"
    except ValueError:
        return started


def _checks(comparison: Comparison) -> str:
    """What guests report of their own boot, beside what was stamped on the host."""
    texts = []
    for label, substrate in comparison["substrates"].items():
        if checks := substrate.get("boot_checks_seconds"):
            parts = ", ".join(
                f"{part} {units.quantity(value, units.SECONDS)}" for part, value in checks.items()
            )
            texts.append(
                f"systemd's own account of {cells.name(label, substrate)}, by the guest's clock: {parts}."
            )
    return "".join(map(tables.note, texts))


def _of_host(limits: Mapping[str, Any]) -> dict[str, Any]:
    """What a guest itself sees of them is in its conditions."""
    return {name: value for name, value in limits.items() if not name.startswith("guest_")}


def _fact(name: str, columns: Mapping[str, Mapping[str, Any]]) -> str:
    values = [column.get(name) for column in columns.values()]
    differs = any(value != values[0] for value in values)
    texts = "".join(f"<td title='{escape(str(value))}'>{escape(_text(name, value))}</td>" for value in values)
    shown = name.removesuffix("_bytes").replace(".", ": ", 1).replace("_", " ")
    return f"<tr{' class=differs' if differs else ''}><td>{escape(shown)}</td>{texts}</tr>"


def _flat(prefix: str, members: Mapping[str, Any]) -> dict[str, Any]:
    """`{"limits.cpus": 1}`; objects within objects likewise."""
    found: dict[str, Any] = {}
    for name, value in members.items():
        found |= _flat(f"{prefix}.{name}", value) if isinstance(value, dict) else {f"{prefix}.{name}": value}
    return found


def _text(name: str, value: Any) -> str:
    if value is None:
        return units.NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        units.quantity(value, units.BYTES)
        if name.endswith("_bytes") and isinstance(value, int | float)
        else short(value)
    )
