"""What happens in a run, as a stream of events: the display and `--json` are made from nothing else.

`as_json` gives the official engine's form (apitype.EngineEvent), one object a line, so that its readers can read ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from engine import urn as urns


class Op(StrEnum):
    """What a step does; the official engine's terms."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    CREATE_REPLACEMENT = "create-replacement"
    DELETE_REPLACED = "delete-replaced"
    READ = "read"
    REFRESH = "refresh"
    IMPORT = "import"
    REMOVE_PENDING_REPLACE = "remove-pending-replace"


@dataclass(frozen=True)
class StepStarted:
    """A step begins. `keys` are the inputs that changed, by name only: values may be secret."""

    op: Op
    urn: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepDone:
    """A step succeeded."""

    op: Op
    urn: str
    seconds: float
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepErred:
    """A step failed; the reason follows as a diagnostic."""

    op: Op
    urn: str
    seconds: float


@dataclass(frozen=True)
class Diagnostic:
    """A message for the user: debug, info, warning, error; `urn` is empty when no resource is meant."""

    severity: str
    message: str
    urn: str = ""


@dataclass(frozen=True)
class Summary:
    """The end of a run. `changes` counts resources by operation."""

    changes: dict[str, int]
    seconds: float
    outputs: dict[str, Any] = field(default_factory=dict)  # secrets masked
    maybe_corrupt: bool = False
    preview: bool = False


Event: TypeAlias = StepStarted | StepDone | StepErred | Diagnostic | Summary
Listener: TypeAlias = Callable[[Event], None]


def as_json(event: Event, sequence: int) -> dict[str, Any]:
    """The official engine's JSON of an event."""
    return {"sequence": sequence, "timestamp": int(time.time()), **_body(event)}


def _body(event: Event) -> dict[str, Any]:
    if isinstance(event, StepStarted):
        return {"resourcePreEvent": {"metadata": _metadata(event.op, event.urn, event.keys)}}
    if isinstance(event, StepDone):
        return {"resOutputsEvent": {"metadata": _metadata(event.op, event.urn, event.keys)}}
    if isinstance(event, StepErred):
        return {"resOpFailedEvent": {"metadata": _metadata(event.op, event.urn, ()), "status": 1, "steps": 0}}
    if isinstance(event, Diagnostic):
        body = {"message": event.message, "severity": event.severity, "color": "never"}
        return {"diagnosticEvent": {**body, "urn": event.urn} if event.urn else body}
    return {
        "summaryEvent": {
            "maybeCorrupt": event.maybe_corrupt,
            "durationSeconds": round(event.seconds),
            "resourceChanges": event.changes,
            "isPreview": event.preview,
            "outputs": event.outputs,
        }
    }


def _metadata(op: Op, urn: str, keys: tuple[str, ...]) -> dict[str, Any]:
    body: dict[str, Any] = {"op": op.value, "urn": urn, "type": urns.type_of(urn)}
    return {**body, "diffs": list(keys)} if keys else body
