"""What the state keeps of an object: the live object itself, and three keys of the official provider's.

`__inputs` (the inputs it was made from), `__initialApiVersion`, `__fieldManager`. So either engine can take over the
other's state.
"""

from __future__ import annotations

from engine.providers.kubernetes import objects, secrecy
from engine.providers.kubernetes.refusal import Plain
from engine.values import UNKNOWN, Properties, without_secrets

# What a dry run only makes up, by kind ("" is every kind).
_MADE_UP = {
    "": (
        ("metadata", "uid"),
        ("metadata", "creationTimestamp"),
        ("metadata", "resourceVersion"),
        ("status",),
    ),
    "Service": (("spec", "clusterIP"), ("spec", "clusterIPs")),
    "PersistentVolumeClaim": (("spec", "volumeName"),),
}


def outputs_of(live: Plain, inputs: Properties, manager: str, before: Properties | None = None) -> Properties:
    """The outputs for an object as it is."""
    version = (
        (before or {}).get("__initialApiVersion")
        or without_secrets(inputs.get("apiVersion"))
        or live.get("apiVersion")
    )
    return {
        **secrecy.sealed(secrecy.spelled_for_sdk(live), inputs, {}),
        "__inputs": secrecy.sealed(inputs),
        "__initialApiVersion": version,
        "__fieldManager": manager,
    }


def previewed(
    live: Plain | None, inputs: Properties, manager: str, before: Properties | None = None
) -> Properties:
    """The outputs as far as a preview knows them. Without a dry run (`live` is None) they are the inputs over those of the
    state (`before`); what only a create decides is UNKNOWN.
    """
    given = secrecy.plain(inputs)
    found = outputs_of(live or given, inputs, manager, before)
    if before is not None:
        return found if live is not None else _over(before, found)
    for path in _MADE_UP[""] + _MADE_UP.get(str(given.get("kind")), ()):
        if objects.inside(given, *path) is None:  # else the program itself declares it
            found = secrecy.with_member(found, path, UNKNOWN)
    return found


def _over(before: Properties, found: Properties) -> Properties:
    """`found` over the state's outputs, and its metadata over theirs: the UID stays what it is."""
    old, new = before.get("metadata"), found.get("metadata")
    metadata = {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new
    return {**before, **found, "metadata": metadata}
