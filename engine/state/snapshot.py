"""A stack's state in memory, and the rules it must keep.

A snapshot is a list of resources in an order in which everything a resource refers to stands before it, plus
what was under way. `problems` are the integrity rules of Pulumi's `Snapshot.VerifyIntegrity` (docs/engine-rules.md
F6): a state that breaks one is refused by the official engine too. Out of scope: repairing a broken one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine import urn as urns
from engine.state.resource import PendingOperation, Resource


@dataclass
class Snapshot:
    """All a stack's state holds. What this engine does not use is kept and written back."""

    resources: list[Resource] = field(default_factory=list)
    pending: list[PendingOperation] = field(default_factory=list)
    salt: str = ""  # of the passphrase cipher; "" while there was no secret
    manifest: dict[str, Any] = field(default_factory=dict)  # as read; a new one is written
    metadata: dict[str, Any] = field(default_factory=dict)
    features: list[str] = field(default_factory=list)  # what made the file version 4
    extra: dict[str, Any] = field(default_factory=dict)  # snippets, extensions


def magic(version: str) -> str:
    """The manifest's checksum: Go writes none for an unversioned build."""
    return hashlib.sha256(version.encode()).hexdigest() if version else ""


def problems(snapshot: Snapshot) -> list[str]:
    """Every broken rule, one line each; empty for a sound snapshot."""
    manifest = snapshot.manifest
    found = []
    if manifest and manifest.get("magic", "") != magic(manifest.get("version", "")):
        found.append("magic cookie mismatch; the file was changed or damaged")
    places: dict[str, int] = {}  # URN -> where it stands first
    for place, resource in enumerate(snapshot.resources):
        places.setdefault(resource.urn, place)
    providers: set[str] = set()
    for place, resource in enumerate(snapshot.resources):
        if urns.is_provider_type(resource.type):
            providers.add(f"{resource.urn}::{resource.id}")
        found.extend(_own_problems(place, resource))
        found.extend(_provider_problems(resource, providers))
        found.extend(_reference_problems(place, resource, places))
    return found + _duplicates(snapshot.resources)


def _own_problems(place: int, resource: Resource) -> Iterator[str]:
    name = resource.urn or f"resource at index {place}"
    if not resource.urn:
        yield f"{name} has no URN"
    elif not urns.is_valid(resource.urn):
        yield f"{name} has a malformed URN"
    if not resource.type:
        yield f"{name} has no type"
    if resource.id and not resource.custom:
        yield f"{name} is a component but has an id"
    if urns.is_provider_type(resource.type) and not resource.id:
        yield f"provider {name} has no id, so nothing can refer to it"


def _provider_problems(resource: Resource, known: set[str]) -> Iterator[str]:
    if not resource.provider:
        return
    urn, _, id_ = resource.provider.rpartition("::")
    if not id_ or not urns.is_valid(urn) or not urns.is_provider_type(urns.type_of(urn)):
        yield f"{resource.urn}: malformed provider reference {resource.provider!r}"
    elif resource.provider not in known and not resource.pending_replacement:
        yield f"{resource.urn} refers to unknown provider {resource.provider}"


def _reference_problems(place: int, resource: Resource, places: dict[str, int]) -> Iterator[str]:
    for kind, target in _references(resource):
        if target not in places:
            yield f"{resource.urn}: {kind} {target} is missing"
        elif places[target] >= place:
            yield f"{resource.urn}: {kind} {target} comes after it"


def _references(resource: Resource) -> Iterator[tuple[str, str]]:
    if resource.parent:
        yield "parent", resource.parent
    for target in resource.dependencies:
        yield "dependency", target
    for key, targets in resource.property_dependencies.items():
        for target in targets or ():  # Go writes an empty list as null
            yield f"dependency of property {key}", target
    if resource.deleted_with:
        yield "deletedWith", resource.deleted_with
    for target in resource.extra.get("replaceWith") or ():
        yield "replaceWith", target


def _duplicates(resources: list[Resource]) -> list[str]:
    living: defaultdict[str, int] = defaultdict(int)
    for resource in resources:
        living[resource.urn] += not resource.delete
    return [
        f"{urn} is there {count} times without being marked for deletion"
        for urn, count in living.items()
        if count > 1
    ]
