"""The table of boundaries: a row a boundary, a column a substrate, and below what each costs. The same in every form.

`Table` is what `--json` prints and what is kept beside a run's samples as `boundaries.json`, so that the report of that run
shows it. Left out: colours; the words are enough.
"""

from __future__ import annotations

import json
import textwrap
from html import escape
from pathlib import Path
from typing import Any

from lab import units
from lab.boundaries.findings import Finding

FILE = "boundaries.json"
LEGEND = (
    "own: another one than the host's; shared: the host's; refused: asked for from inside, and denied; open: granted; "
    "held, not held: of a limit that was tried. Seen by the same program on every substrate, as the service's user."
)
_WIDTH, _CELL, _NAME = 110, 24, 20
Table = dict[
    str, Any
]  # {"substrates": {column: {"available", "boundaries", "costs"} or {"available", "reason", "fix"}}}


def table(
    found: dict[str, dict[str, Finding]], failed: dict[str, Exception], costs: dict[str, dict[str, Any]]
) -> Table:
    """The shape that is kept and printed."""
    columns: dict[str, Any] = {
        name: {
            "available": True,
            "boundaries": {key: {"state": f.state, "text": f.text} for key, f in findings.items()},
            "costs": costs.get(name, {}),
        }
        for name, findings in found.items()
    }
    for name, error in failed.items():
        columns[name] = {"available": False, "reason": _reason(error), "fix": _fix(error)}
    return {"substrates": columns}


def load(folder: Path) -> Table | None:
    """The table that is kept in a run's folder; None where there is none, or it is broken."""
    try:
        found: Table = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def keep(shown: Table, folder: Path) -> Path:
    """Write it into a folder, beside what was looked at there before; the file."""
    path = folder / FILE
    seen = {name: column for name, column in shown["substrates"].items() if column["available"]}
    before = (load(folder) or {"substrates": {}})["substrates"]
    shown = {"substrates": {**shown["substrates"], **before, **seen}}
    path.write_text(json.dumps(shown, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def text(shown: Table) -> str:
    """For the terminal: as many columns side by side as fit into 110 characters, then the others."""
    columns, rows = _cells(shown)
    lines: list[str] = []
    beside = (_WIDTH - _NAME) // (_CELL + 1)
    for first in range(0, len(columns), beside):
        part = columns[first : first + beside]
        lines += [*([""] if lines else []), _line(["", *part]), "─" * (_NAME + (_CELL + 1) * len(part))]
        for name, cells in rows:
            wrapped = [textwrap.wrap(cell, _CELL) or [""] for cell in cells[first : first + beside]]
            for place in range(max(map(len, wrapped))):
                own = [cell[place] if place < len(cell) else "" for cell in wrapped]
                lines.append(_line([name if place == 0 else "", *own]))
    lines += [f"{name}: {reason}" for name, reason in missing(shown)]
    return "\n".join([*lines, "", *textwrap.wrap(LEGEND, _WIDTH)]) + "\n"


def markdown(shown: Table) -> str:
    """For a README or an issue."""
    columns, rows = _cells(shown)
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    lines += [f"| {name} | {' | '.join(cell.replace('|', '/') for cell in cells)} |" for name, cells in rows]
    lines += ["", LEGEND, *(f"{name}: {reason}" for name, reason in missing(shown))]
    return "\n".join(lines) + "\n"


def html(shown: Table) -> str:
    """For the report."""
    columns, rows = _cells(shown)
    head = "".join(f"<th>{escape(name)}</th>" for name in ["", *columns])
    body = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, cells in rows
    )
    notes = "".join(f"<p class='faint'>{escape(f'{name}: {reason}')}</p>" for name, reason in missing(shown))
    return (
        f"<p class='faint'>{escape(LEGEND)}</p><div class='scroll'><table class='facts'><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>{notes}"
    )


def missing(shown: Table) -> list[tuple[str, str]]:
    """The substrates that were not looked at, and why."""
    return [
        (name, f"not looked at, because {column['reason']}" + (f"; {column['fix']}" if column["fix"] else ""))
        for name, column in shown["substrates"].items()
        if not column["available"]
    ]


def _cells(shown: Table) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The columns' names, and each row's name with its cells."""
    seen = {name: column for name, column in shown["substrates"].items() if column["available"]}
    names = dict.fromkeys(key for column in seen.values() for key in column["boundaries"])
    rows = [(name, [_cell(column["boundaries"].get(name)) for column in seen.values()]) for name in names]
    for key, name, unit in (("boot_seconds", "boot", "s"), ("memory_pss_bytes", "memory", "B")):
        cells = [
            units.quantity((column["costs"].get(key) or {}).get("median"), unit) for column in seen.values()
        ]
        rows.append((f"costs: {name}", cells))
    return list(seen), rows


def _cell(found: dict[str, str] | None) -> str:
    if found is None:
        return units.NONE
    return f"{found['state']}: {found['text']}" if found["text"] else found["state"]


def _line(cells: list[str]) -> str:
    return (cells[0].ljust(_NAME) + "".join(cell.ljust(_CELL + 1) for cell in cells[1:])).rstrip()


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error)


def _fix(error: Exception) -> str:
    return str(getattr(error, "fix", "") or getattr(error, "next_command", ""))
