"""Old inputs against new ones: what changed, and whether a new object is needed.

Inputs are compared with inputs. What the cluster fills in or changes by itself is never a difference; what was
changed outside Pulumi is one after a refresh, because Read puts it into the inputs (drift.py). The official provider
compares the live object instead, cut to the inputs' shape; the outcome is the same.
"""

from __future__ import annotations

import base64
from typing import Any

from pulumi.runtime.proto import provider_pb2

from engine.providers.kubernetes import objects, quantities, replacing
from engine.providers.kubernetes.refusal import Plain
from engine.values import UNKNOWN, Unknown
from engine.values.paths import Path, changed_paths, covers, parse

_READ_ONLY = """creationTimestamp deletionGracePeriodSeconds deletionTimestamp generation managedFields resourceVersion
    selfLink uid"""
READ_ONLY = frozenset(_READ_ONLY.split())
_ABSENT = object()


def answer(
    olds: Plain, news: Plain, live: Plain, ignore: list[str], mutable: frozenset[str]
) -> provider_pb2.DiffResponse:
    """Diff's whole answer. `live` is the object as the state has it."""
    olds, news = normal(olds), normal(news)
    name_known = isinstance(objects.inside(news, "metadata", "name"), str)
    if name_known and objects.name_of(live):
        olds = {**olds, "metadata": {**olds.get("metadata", {}), "name": objects.name_of(live)}}
    paths = _changed(olds, news, [parse(text) for text in ignore])
    patterns = replacing.triggers(news, mutable=mutable)
    replacements = [path for path in paths if replacing.replaces(path, patterns)]
    response = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if paths else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({str(path[0]) for path in paths}),
        replaces=[written(path) for path in replacements],
        deleteBeforeReplace=bool(replacements) and collides(olds, news, live),
        hasDetailedDiff=True,
    )
    for path in paths:
        detail = response.detailedDiff[written(path)]
        detail.kind = _kind(_at(olds, path), _at(news, path), path in replacements)
        detail.inputDiff = True
    return response


def collides(olds: Plain, news: Plain, live: Plain) -> bool:
    """Whether the new object must have the old one's name: it is fixed, and name and namespace are the same."""
    name = objects.inside(news, "metadata", "name")
    before = objects.namespace_of(live) or objects.namespace_of(olds) or "default"
    is_same = bool(name) and name == objects.name_of(live) and objects.namespace_of(news) == before
    return is_same and not objects.is_set(news, objects.AUTONAMED)


def normal(inputs: Plain) -> Plain:
    """The form in which inputs are compared: what reads the same is the same."""
    metadata = {"name": UNKNOWN} if inputs.get("metadata") is UNKNOWN else inputs.get("metadata") or {}
    kept = {key: value for key, value in metadata.items() if key not in READ_ONLY}
    found = {**inputs, "metadata": {"namespace": "default", **kept}}
    found.pop("status", None)
    if isinstance(found.get("apiVersion"), str):
        found["apiVersion"] = found["apiVersion"].removeprefix("core/")
    if found.get("kind") == "Secret" and isinstance(found.get("stringData"), dict):
        found = coded(found)
    return found


def coded(secret: Plain) -> Plain:
    """A Secret with its stringData in data, as the server merges them."""
    rest = {key: value for key, value in secret.items() if key != "stringData"}
    data, clear = secret.get("data") or {}, secret["stringData"]
    if any(isinstance(value, Unknown) for value in (data, *clear.values())):
        return {**rest, "data": UNKNOWN}
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in clear.items()}
    return {**rest, "data": {**data, **encoded}}


def written(path: Path) -> str:
    """A path as Pulumi writes it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif "." in part or "[" in part:
            text += f'["{part}"]'
        else:
            text += f".{part}" if text else part
    return text


def _changed(olds: Plain, news: Plain, ignore: list[Path]) -> list[Path]:
    return [
        path
        for path in changed_paths(olds, news)
        if not any(covers(pattern, path) for pattern in ignore)
        and not _are_equal(path, _at(olds, path), _at(news, path))
    ]


def _are_equal(path: Path, before: Any, after: Any) -> bool:
    """An empty map or list and none are one to the API server."""
    nothing = all(value is _ABSENT or value in ({}, []) for value in (before, after))
    return nothing or quantities.same(path, before, after)


def _at(thing: Any, path: Path) -> Any:
    for part in path:
        if isinstance(thing, dict):
            thing = thing.get(part, _ABSENT)
        elif isinstance(thing, list) and isinstance(part, int) and part < len(thing):
            thing = thing[part]
        else:
            return _ABSENT
    return thing


def _kind(before: Any, after: Any, replaces: bool) -> Any:
    name = "ADD" if before is _ABSENT else "DELETE" if after is _ABSENT else "UPDATE"
    return provider_pb2.PropertyDiff.Kind.Value(f"{name}_REPLACE" if replaces else name)
