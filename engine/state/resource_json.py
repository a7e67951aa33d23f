"""One resource <-> the JSON of a state file (`apitype.ResourceV3`).

Names and order of the members are Go's, and what is empty is left out as Go's omitempty does, so that a state
written by this engine and one by the official engine can be compared as texts. Members without a field of
their own go to `Resource.extra` and come back from there. Out of scope: the document around the resources
(`checkpoint`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import WrongUse
from engine.state.property_json import Decrypt, decode_properties, encode
from engine.state.resource import PendingOperation, Resource

_PLAIN = (  # (member, field): copied as they are
    ("delete", "delete"),
    ("id", "id"),
    ("parent", "parent"),
    ("protect", "protect"),
    ("external", "external"),
    ("dependencies", "dependencies"),
    ("initErrors", "init_errors"),
    ("provider", "provider"),
    ("propertyDependencies", "property_dependencies"),
    ("pendingReplacement", "pending_replacement"),
    ("additionalSecretOutputs", "additional_secret_outputs"),
    ("aliases", "aliases"),
    ("customTimeouts", "custom_timeouts"),
    ("importID", "import_id"),
    ("retainOnDelete", "retain_on_delete"),
    ("deletedWith", "deleted_with"),
    ("created", "created"),
    ("modified", "modified"),
    ("ignoreChanges", "ignore_changes"),
    ("replaceOnChanges", "replace_on_changes"),
)
_OWN = {"urn", "custom", "type", "inputs", "outputs", *(member for member, _ in _PLAIN)}
FEATURES = {  # member -> the feature whose presence makes a file version 4 (F21)
    "refreshBeforeUpdate": "refreshBeforeUpdate",
    "viewOf": "views",
    "resourceHooks": "hooks",
    "taint": "taint",
    "replaceWith": "replaceWith",
    "extensionRef": "extensionParameterization",
    "snippetID": "snippets-prototype",
}


def to_json(resource: Resource, secret: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The object for one resource; `secret` makes that of a secret value."""
    raw: dict[str, Any] = {"urn": resource.urn, "custom": resource.custom}
    first = {"delete", "id"}  # before the type, as in Go's struct
    raw |= _present(resource, [pair for pair in _PLAIN if pair[0] in first])
    raw["type"] = resource.type
    for member, values in (("inputs", resource.inputs), ("outputs", resource.outputs)):
        if values:
            raw[member] = encode(values, secret)
    raw |= _present(resource, [pair for pair in _PLAIN if pair[0] not in first])
    return raw | resource.extra


def _present(resource: Resource, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    return {member: value for member, name in pairs if (value := getattr(resource, name))}


def from_json(raw: dict[str, Any], decrypt: Callable[[str], Decrypt]) -> Resource:
    """The resource of one object; `decrypt` makes the decrypter for a URN."""
    if not raw.get("urn") or not raw.get("type"):
        raise WrongUse(f"the state holds a resource without urn or type: {str(raw)[:80]}")
    opened = decrypt(raw["urn"])
    return Resource(
        urn=raw["urn"],
        type=raw["type"],
        custom=bool(raw.get("custom")),
        inputs=decode_properties(raw.get("inputs"), opened),
        outputs=decode_properties(raw.get("outputs"), opened),
        extra={member: value for member, value in raw.items() if member not in _OWN},
        **{name: raw[member] for member, name in _PLAIN if raw.get(member)},
    )


def operation_from_json(raw: dict[str, Any], decrypt: Callable[[str], Decrypt]) -> PendingOperation:
    """The pending operation of one object."""
    return PendingOperation(from_json(raw["resource"], decrypt), raw["type"])


def features(resource: Resource) -> set[str]:
    """The features that this resource's kept members need."""
    return {feature for member, feature in FEATURES.items() if resource.extra.get(member)}


def upgraded(raw: dict[str, Any]) -> dict[str, Any]:
    """A resource of deployment version 1 or 2 as one of version 3: each input depends on all dependencies."""
    raw = {member: value for member, value in raw.items() if member != "defaults"}
    if dependencies := raw.get("dependencies"):
        raw["propertyDependencies"] = {key: list(dependencies) for key in raw.get("inputs") or {}}
    return raw
