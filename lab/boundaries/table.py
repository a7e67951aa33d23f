"""The table of boundaries: a row for each boundary, a column for each substrate, and below what each costs.

`Table` is what `--json` prints and what is kept beside a run's samples as `boundaries.json`, so that the report of that run
shows it. Out of scope: colours; the words are enough.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from catalogue import metrics, units
from lab.boundaries.findings import Finding
from lab.measuring.runs import unavailable
from lab.output import tables
from machine import files
from machine.errors import VmlabError

FILE = "boundaries.json"
LEGEND = (
    "own: another one than the host's; shared: the host's; refused: tried from inside and denied; open: granted; "
    "held, not held: of a limit that was tried. Seen by the same program on every substrate, as the service's user."
)
COSTS = {metrics.BOOT: "boot", metrics.MEMORY_PSS: "memory"}
_CELL, _NAME = 24, 20
Costs = dict[str, Any]  # by metric its figures, of which `median` is shown


class Seen(TypedDict):
    """One boundary: a word, and what was seen."""

    state: str
    text: str


class Column(TypedDict, total=False):
    """One substrate: its boundaries and costs, or why there are none."""

    available: bool
    boundaries: dict[str, Seen]
    costs: Costs
    reason: str
    fix: str


class Table(TypedDict):
    """The whole table."""

    substrates: dict[str, Column]


def table(
    found: Mapping[str, Mapping[str, Finding]],
    failed: Mapping[str, VmlabError],
    costs: Mapping[str, Costs],
) -> Table:
    """The form that is kept and printed."""
    columns: dict[str, Column] = {
        name: {
            "available": True,
            "boundaries": {key: {"state": f.state, "text": f.text} for key, f in findings.items()},
            "costs": costs.get(name, {}),
        }
        for name, findings in found.items()
    }
    for name, error in failed.items():
        gap = unavailable(error)
        columns[name] = {"available": False, "reason": gap["reason"], "fix": gap["fix"]}
    return {"substrates": columns}


def load(folder: Path) -> Table | None:
    """The table that is kept in a run's folder; None where there is none, or it cannot be read."""
    found = files.read_json(folder / FILE)
    return {"substrates": found["substrates"]} if isinstance(found, dict) and "substrates" in found else None


def keep(shown: Table, folder: Path) -> Path:
    """Write it into a folder, beside what was looked at there before; the file."""
    seen = {name: column for name, column in shown["substrates"].items() if column["available"]}
    before = (load(folder) or {"substrates": {}})["substrates"]
    whole: Table = {"substrates": {**shown["substrates"], **before, **seen}}
    files.write(folder / FILE, as_json(whole))
    return folder / FILE


def as_json(shown: Table) -> str:
    """For other programs."""
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def text(shown: Table) -> str:
    """For the terminal: as many columns side by side as fit, then the others."""
    columns, rows = _cells(shown)
    lines: list[str] = []
    beside = (tables.WIDTH - _NAME) // (_CELL + 1)
    for first in range(0, len(columns), beside):
        part = columns[first : first + beside]
        lines += [*([""] if lines else []), _line(["", *part]), "─" * (_NAME + (_CELL + 1) * len(part))]
        for name, *cells in rows:
            wrapped = [textwrap.wrap(cell, _CELL) or [""] for cell in cells[first : first + beside]]
            for place in range(max(map(len, wrapped))):
                own = [cell[place] if place < len(cell) else "" for cell in wrapped]
                lines.append(_line([name if place == 0 else "", *own]))
    lines += missing(shown)
    return "\n".join([*lines, "", *tables.wrapped(LEGEND)]) + "\n"


def markdown(shown: Table) -> str:
    """For a README or an issue."""
    columns, rows = _cells(shown)
    lines = tables.markdown(["", *columns], rows, numbers=False)
    return "\n".join([*lines, "", LEGEND, *map(tables.plain, missing(shown))]) + "\n"


def html(shown: Table) -> str:
    """For the report."""
    columns, rows = _cells(shown)
    notes = "".join(map(tables.note, missing(shown)))
    return tables.note(LEGEND) + tables.html("facts", ["", *columns], rows) + notes


def missing(shown: Table) -> list[str]:
    """The substrates that were not looked at, and why."""
    return [
        f"{name}: not looked at, because {column['reason']}" + (f"; {column['fix']}" if column["fix"] else "")
        for name, column in shown["substrates"].items()
        if not column["available"]
    ]


def _cells(shown: Table) -> tuple[list[str], list[list[str]]]:
    """The columns' names, and each row: its name and its cells."""
    seen = {name: column for name, column in shown["substrates"].items() if column["available"]}
    names = dict.fromkeys(key for column in seen.values() for key in column["boundaries"])
    rows = [[name, *(_cell(column["boundaries"].get(name)) for column in seen.values())] for name in names]
    for metric, name in COSTS.items():
        found = [(column["costs"].get(metric.name) or {}).get("median") for column in seen.values()]
        rows.append([f"costs: {name}", *(units.quantity(value, metric.unit) for value in found)])
    return list(seen), rows


def _cell(found: Seen | None) -> str:
    if found is None:
        return units.NONE
    return f"{found['state']}: {found['text']}" if found["text"] else found["state"]


def _line(cells: list[str]) -> str:
    return (cells[0].ljust(_NAME) + "".join(cell.ljust(_CELL + 1) for cell in cells[1:])).rstrip()
