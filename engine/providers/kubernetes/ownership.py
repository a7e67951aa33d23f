"""Whose an object is, by its field managers, and what is ours in it.

Our manager is `pulumi-kubernetes-<8 hex>`, as the official provider's, but the digits are the URN's hash and not
chance: a create whose answer was lost can be found again, and an object that another user made under our name is
distinguished from ours. The state's `__fieldManager` wins, so objects made by the official engine keep theirs. The annotation
`pulumi.com/patchFieldManager` names another.

We create by an apply, so that exactly what the program wrote is ours. The official provider creates by a POST, whose
fields are recorded as an update; an apply would never let go of them. So before our first apply to such an object
they are recorded as applied (what client-go calls csaupgrade); not for a Pod, whose POST owns what admission put into
it and may not be removed.
"""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from engine.providers.kubernetes import objects
from engine.providers.kubernetes.refusal import Plain
from engine.values import Properties
from engine.values.paths import Path

PREFIX = "pulumi-kubernetes"


def manager_of(urn: str, inputs: Plain, outputs: Properties | None = None) -> str:
    """The field manager under which this resource is written."""
    kept = (outputs or {}).get("__fieldManager")
    if named := objects.annotation(inputs, objects.PATCH_FIELD_MANAGER):
        return named
    if isinstance(kept, str) and kept:
        return kept
    return f"{PREFIX}-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"


def entries(live: Plain) -> list[Plain]:
    """`metadata.managedFields`."""
    return list(objects.inside(live, "metadata", "managedFields", default=[]))


def is_ours(live: Plain, manager: str) -> bool:
    """Whether our manager wrote any of it."""
    return any(row.get("manager") == manager for row in entries(live))


def others(live: Plain) -> str:
    """Who wrote it, for messages."""
    names = sorted({str(row.get("manager")) for row in entries(live) if not row.get("subresource")})
    return ", ".join(names) or "unknown"


def as_applied(live: Plain, manager: str) -> list[Plain] | None:
    """managedFields in which what we created counts as applied; None when they say so already."""
    ours = [row for row in entries(live) if row.get("manager") == manager and not row.get("subresource")]
    updates = [row for row in ours if row.get("operation") == "Update"]
    if not updates or live.get("kind") == "Pod":
        return None
    fields: Plain = {}
    for row in ours:
        _merge(fields, row.get("fieldsV1") or {})
    applied = {**ours[-1], "operation": "Apply", "fieldsV1": fields}
    return [row for row in entries(live) if row not in ours] + [applied]


def only_theirs(live: Plain, manager: str, path: Path) -> bool:
    """Whether others manage the field at `path` and we do not. Inside lists it is not known, so no."""
    if any(not isinstance(part, str) for part in path):
        return False
    managers = {row.get("manager") for row in entries(live) if _manages(row.get("fieldsV1"), path)}
    return bool(managers) and manager not in managers


def _manages(fields: Any, path: Path) -> bool:
    for part in path:
        if not isinstance(fields, dict) or f"f:{part}" not in fields:
            return False
        fields = fields[f"f:{part}"]
    return True


def _merge(target: Plain, addition: Plain) -> None:
    for key, value in addition.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = copy.deepcopy(value)
