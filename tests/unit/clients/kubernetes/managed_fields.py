"""The little of server-side apply that the fake API server does: who manages which field, lists as leaves."""

from __future__ import annotations

import copy
from typing import Any

Thing = dict[str, Any]


def fields(thing: Any) -> Thing:
    """FieldsV1 of an object, lists as leaves."""
    if not isinstance(thing, dict):
        return {}
    left_out = (
        "apiVersion",
        "kind",
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "managedFields",
        "creationTimestamp",
    )
    found = {f"f:{key}": fields(value) for key, value in thing.items() if key not in left_out}
    return {
        key: inner
        for key, inner in found.items()
        if inner or not isinstance(thing[key[2:]], dict) or not thing[key[2:]]
    }


def entry(manager: str, operation: str, thing: Thing) -> Thing:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": thing["apiVersion"],
        "fieldsV1": fields(thing),
    }


def leaves(fields: Thing, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, inner in fields.items():
        found += leaves(inner, (*prefix, key)) if inner else [(*prefix, key)]
    return found


def less(fields: Thing, taken: Thing) -> Thing:
    """`fields` without the leaves of `taken`."""
    left = {}
    for key, inner in fields.items():
        if key not in taken:
            left[key] = inner
        elif inner and (rest := less(inner, taken[key])):
            left[key] = rest
    return left


def without(thing: Thing, gone: Thing, others: list[Thing]) -> Thing:
    """The object without the leaves that are applied no more and that nobody else has."""
    result = copy.deepcopy(thing)
    for path in leaves(gone):
        if any(at(row["fieldsV1"], path) is not None for row in others):
            continue
        inner: Any = result
        for key in path[:-1]:
            inner = inner.get(key.removeprefix("f:"), {})
        inner.pop(path[-1].removeprefix("f:"), None)
    return result


def merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return copy.deepcopy(new)


def at(thing: Any, path: Any) -> Any:
    for key in path:
        thing = thing.get(key) if isinstance(thing, dict) else None
    return thing
