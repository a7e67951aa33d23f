"""What Read returns as inputs: the old ones, with what was changed in the cluster put into them.

A field has drifted when it is not what it was when we last looked; that the cluster spells it differently from the
program is not drift. Where there is no earlier state (an import), it is compared with the input itself. Fields that are
not inputs never drift. Out of scope: members that others added to a map of ours (a label, a key of data); server-side
apply leaves them to them.
"""

from __future__ import annotations

import base64
from typing import Any

from engine.providers.kubernetes import quantities
from engine.providers.kubernetes.difference import READ_ONLY
from engine.providers.kubernetes.refusal import Plain
from engine.values import Properties, Secret, Value, without_secrets
from engine.values.paths import Path

_ABSENT: Any = object()
_REVISION = "deployment.kubernetes.io/revision"
_VOLATILE = ("resourceVersion", "managedFields")
# Kinds whose status changes continuously and is unrelated to what was declared.
_RUNNING = """CronJob DaemonSet Deployment HorizontalPodAutoscaler Job PodDisruptionBudget ReplicaSet ResourceQuota
    StatefulSet"""
_RUNNING_FIGURES = frozenset(_RUNNING.split())


def observed(inputs: Properties, before: Plain, now: Plain) -> Properties:
    """The inputs as the cluster has them. `before`: the object when the state was written, empty if it never was."""
    now = _with_string_data(now, inputs)
    before = _with_string_data(before, inputs) if before else _ABSENT
    found = _observed(inputs, before, now, ())
    return found if isinstance(found, dict) else inputs


def from_scratch(live: Plain) -> Plain:
    """Inputs for an object of which nothing is known: all that is not the server's own."""
    metadata = {key: value for key, value in live.get("metadata", {}).items() if key not in READ_ONLY}
    notes = metadata.pop("annotations", {})
    if kept := {key: value for key, value in notes.items() if not key.startswith(_REVISION)}:
        metadata["annotations"] = kept
    return {**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata}


def is_unchanged(before: Plain, now: Plain) -> bool:
    """Whether nothing moved but running figures."""
    return bool(before) and _still(before) == _still(now)


def _still(live: Plain) -> Plain:
    metadata = {key: value for key, value in live.get("metadata", {}).items() if key not in _VOLATILE}
    rest = {key: value for key, value in live.items() if not key.startswith("__")}
    if live.get("kind") in _RUNNING_FIGURES:
        rest.pop("status", None)
    return {**rest, "metadata": metadata}


def _observed(inputs: Value, before: Any, now: Any, path: Path) -> Any:
    if isinstance(inputs, Secret):
        return Secret(_observed(inputs.value, before, now, path))
    if isinstance(inputs, dict) and isinstance(now, dict):
        was = before if isinstance(before, dict) else {}
        members = {
            key: _member(value, was.get(key, _ABSENT), now.get(key, _ABSENT), (*path, key))
            for key, value in inputs.items()
        }
        return {key: value for key, value in members.items() if value is not _ABSENT}
    if isinstance(inputs, list) and isinstance(now, list):
        return _observed_list(inputs, before, now, path)
    if now == before or quantities.same(path, without_secrets(inputs), now):
        return inputs
    return now


def _member(value: Value, before: Any, now: Any, path: Path) -> Any:
    if len(path) == 1 and str(path[0]).startswith("__"):
        return value
    if now is not _ABSENT:
        return _observed(value, before, now, path)
    if before is not _ABSENT:
        return _ABSENT  # it was there, and was removed
    return value  # the server never kept it: an empty value, or write-only


def _observed_list(inputs: list[Value], before: Any, now: list[Any], path: Path) -> Any:
    """By position; with another length than it had it has drifted as a whole."""
    if now == before:
        return inputs
    was = before if isinstance(before, list) else [_ABSENT] * len(now)
    if len(now) < len(inputs) or len(was) != len(now):
        return now
    return [_observed(item, was[i], now[i], (*path, i)) for i, item in enumerate(inputs)]


def _with_string_data(live: Plain, inputs: Properties) -> Plain:
    """A Secret's data as stringData too, for the keys that the program wrote so."""
    wanted = without_secrets(inputs.get("stringData"))
    data = live.get("data")
    if live.get("kind") != "Secret" or not isinstance(wanted, dict) or not isinstance(data, dict):
        return live
    clear = {key: base64.b64decode(data[key]).decode(errors="replace") for key in wanted if key in data}
    return {**live, "stringData": clear}
