"""Reading Kubernetes objects as plain dicts: names, ids, annotations, conditions, what is inside.

An id is what the official provider makes: `namespace/name`, or `name` alone for what has no namespace.
"""

from __future__ import annotations

from typing import Any

from engine.providers.kubernetes.refusal import Plain

PREFIX = "pulumi.com/"
AUTONAMED = PREFIX + "autonamed"
SKIP_AWAIT = PREFIX + "skipAwait"
WAIT_FOR = PREFIX + "waitFor"
TIMEOUT_SECONDS = PREFIX + "timeoutSeconds"
REPLACE_UNREADY = PREFIX + "replaceUnready"
PATCH_FORCE = PREFIX + "patchForce"
PATCH_FIELD_MANAGER = PREFIX + "patchFieldManager"
DELETION_PROPAGATION = PREFIX + "deletionPropagationPolicy"


def inside(thing: Any, *path: str | int, default: Any = None) -> Any:
    """What is at `path`; the default where a part of it is absent."""
    for part in path:
        if isinstance(part, int):
            thing = thing[part] if isinstance(thing, list) and part < len(thing) else None
        else:
            thing = thing.get(part) if isinstance(thing, dict) else None
    return default if thing is None else thing


def name_of(thing: Plain) -> str:
    """`metadata.name`, or nothing."""
    return str(inside(thing, "metadata", "name", default=""))


def namespace_of(thing: Plain) -> str:
    """`metadata.namespace`, or nothing."""
    return str(inside(thing, "metadata", "namespace", default=""))


def uid_of(thing: Plain) -> str:
    """`metadata.uid`, or nothing."""
    return str(inside(thing, "metadata", "uid", default=""))


def annotation(thing: Plain, key: str) -> str:
    """An annotation's value, or nothing."""
    return str(inside(thing, "metadata", "annotations", key, default=""))


def is_set(thing: Plain, key: str) -> bool:
    """Whether an annotation is "true"."""
    return annotation(thing, key).lower() == "true"


def id_of(thing: Plain) -> str:
    """The id by which the state knows it."""
    return "/".join(filter(None, (namespace_of(thing), name_of(thing))))


def split_id(id_: str) -> tuple[str, str]:
    """Namespace (or nothing) and name."""
    namespace, _, name = id_.rpartition("/")
    return namespace, name


def title(thing: Plain) -> str:
    """How messages call it: `Deployment lab/web`."""
    return f"{thing.get('kind', 'object')} {id_of(thing)}"


def condition(thing: Plain, type_: str) -> Plain:
    """The status condition of this type, or an empty one."""
    rows = inside(thing, "status", "conditions", default=[])
    return next((dict(row) for row in rows if row.get("type") == type_), {})


def is_true(thing: Plain, type_: str) -> bool:
    """Whether the status condition of this type is True."""
    return condition(thing, type_).get("status") == "True"


def is_observed(thing: Plain) -> bool:
    """Whether its controller has seen the newest change."""
    generation = inside(thing, "metadata", "generation", default=0)
    return bool(inside(thing, "status", "observedGeneration", default=0) >= generation)


def owners(thing: Plain) -> set[str]:
    """The UIDs of its owners."""
    return {row.get("uid", "") for row in inside(thing, "metadata", "ownerReferences", default=[])}
