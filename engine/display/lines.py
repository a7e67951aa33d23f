"""The lines that the terminal and the plain text display share."""

from __future__ import annotations

import json
from typing import Any

from engine import urn as urns
from engine.deploy.events import Diagnostic, Op, StepDone, StepErred, StepStarted, Summary

SIGNS = {
    Op.SAME: " ",
    Op.CREATE: "+",
    Op.UPDATE: "~",
    Op.DELETE: "-",
    Op.REPLACE: "+-",
    Op.CREATE_REPLACEMENT: "++",
    Op.DELETE_REPLACED: "--",
    Op.READ: ">",
    Op.REFRESH: "~",
    Op.IMPORT: "=",
    Op.REMOVE_PENDING_REPLACE: "-",
}
COLOURS = {"+": "green", "~": "yellow", "-": "red", "++": "green", "--": "red", ">": "cyan", "=": "cyan"}
_PAST = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "same": "unchanged",
}
_FUTURE = {"create": "to create", "update": "to update", "delete": "to delete", "replace": "to replace"}


def step_line(event: StepStarted | StepDone | StepErred) -> str:
    """One line for one step."""
    urn = event.urn
    line = f"{SIGNS[event.op]:>2} {urns.type_of(urn)}  {urns.name_of(urn)}"
    if isinstance(event, StepErred):
        return f"{line}  failed after {event.seconds:.1f} s"
    keys = f"  [{', '.join(event.keys)}]" if event.keys else ""
    done = (
        f"  {event.op.value} {event.seconds:.1f} s" if isinstance(event, StepDone) else f"  {event.op.value}"
    )
    return line + done + keys


def diagnostic_line(event: Diagnostic) -> str:
    """A diagnostic with its severity and, where it concerns one, its resource."""
    where = f"{urns.type_of(event.urn)} {urns.name_of(event.urn)}: " if urns.is_valid(event.urn) else ""
    return f"{event.severity}: {where}{event.message}"


def summary_lines(event: Summary) -> list[str]:
    """The end of a run: outputs, counts, duration."""
    lines = []
    if event.outputs:
        width = max(map(len, event.outputs))
        lines += [
            "Outputs:",
            *(f"    {key:<{width}} : {_short(value)}" for key, value in event.outputs.items()),
        ]
    words = {**_PAST, **_FUTURE} if event.preview else _PAST
    counts = [
        f"{n} {words.get(op, op)}" for op, n in sorted(event.changes.items(), key=lambda c: c[0] == "same")
    ]
    lines.append(f"Resources: {', '.join(counts) or 'none'}")
    lines.append(f"Duration: {event.seconds:.1f} s")
    return lines


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."
