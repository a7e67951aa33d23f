"""The tables of docs/ that are made from the rows, between the lines `<!-- catalogue: NAME -->` and `<!-- end -->`.

A test holds the files against the rows. Out of scope: the text around them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from catalogue import metrics, milestones
from catalogue.substrates import OURS

DOCS = Path(__file__).resolve().parents[1] / "docs"
METHOD, COMPARISON = DOCS / "method.md", DOCS / "schema" / "comparison.schema.json"
_BLOCK = re.compile(r"(<!-- catalogue: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write() -> list[Path]:
    """Bring the files up to date; those that changed."""
    made = {METHOD: method(), COMPARISON: comparison()}
    changed = [path for path, text in made.items() if path.read_text(encoding="utf-8") != text]
    for path in changed:
        path.write_text(made[path], encoding="utf-8")
    return changed


def method() -> str:
    """docs/method.md with its tables as the rows have them."""
    tables: dict[str, Callable[[], list[str]]] = {"milestones": _milestones, "metrics": _metrics}
    text = METHOD.read_text(encoding="utf-8")
    return _BLOCK.sub(lambda found: "".join([found[1], "\n".join(tables[found[2]]()), "\n", found[3]]), text)


def comparison() -> str:
    """The comparison's JSON Schema with the known metrics and phases."""
    schema = json.loads(COMPARISON.read_text(encoding="utf-8"))
    members = schema["$defs"]["substrate"]["properties"]
    members["metrics"]["properties"] = {
        row.name: {"$ref": "#/$defs/metric", "description": f"{row.meaning} [{row.unit}]"}
        for row in metrics.ALL
        if not row.by
    }
    members["phases_seconds"]["properties"] = {
        row.name: {"type": "number", "description": row.meaning} for row in milestones.SHOWN.values()
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _milestones() -> list[str]:
    shown = [row for row in OURS if row.milestones]
    rows = [
        [f"`{stone.name}`", stone.meaning, *(row.milestones.get(stone.name, "–") for row in shown)]
        for stone in milestones.ALL
    ]
    return _table(["milestone", "", *(row.name for row in shown)], rows)


def _metrics() -> list[str]:
    return _table(
        ["metric", "unit", "what"], [[f"`{row.name}`", row.unit, row.meaning] for row in metrics.ALL]
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows)]
