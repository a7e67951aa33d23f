"""An exported state without what differs from run to run, so that two engines' states can be compared.

Left out: time stamps, the manifest, the salt. Replaced by words: the site's names, UUIDs, Docker's ids and digests,
addresses. Secrets are compared in the clear. Resources are sorted by URN: the order within a layer is free, and that the
order is a topological one is checked apart.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.live.site import Site

WORDS = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
    (r"[0-9a-f]{64}", "<digest>"),
    (r"\b[0-9a-f]{12}\b", "<short id>"),
    (r"\b\d{1,3}(\.\d{1,3}){3}(/\d+)?\b", "<address>"),
    (
        r'("ipPrefixLength": )\d+',
        r"\1 0",
    ),  # Docker gives each network the next free range, not all of one size
    (r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b", "<mac>"),
)


def normal(deployment: dict[str, Any], site: Site) -> dict[str, Any]:
    """Path -> value of everything that has to be equal."""
    text = json.dumps(deployment).replace(site.stack, "<stack>").replace(str(site.root), "<root>")
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text)
    cleaned = json.loads(text)
    cleaned.pop("manifest", None)
    cleaned.get("secrets_providers", {}).pop("state", None)
    resources = cleaned.pop("resources", [])
    for resource in resources:
        for stamp in ("created", "modified"):
            resource.pop(stamp, None)
        resource.get("dependencies", []).sort()
    found = _flat("", cleaned)
    for resource in sorted(resources, key=lambda r: (r["urn"], r.get("delete", False))):
        found |= _flat(resource["urn"].split("::", 2)[2], resource)
    return found


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """One line for each path that is not equal: the path, then both values."""
    missing = "<missing>"
    return [
        f"{path}: ours {json.dumps(ours.get(path, missing))[:200]}, theirs {json.dumps(theirs.get(path, missing))[:200]}"
        for path in sorted({*ours, *theirs})
        if ours.get(path, missing) != theirs.get(path, missing)
    ]


def misplaced(deployment: dict[str, Any]) -> list[str]:
    """References to a resource that is not listed before the one that refers to it."""
    seen: set[str] = set()
    wrong = []
    for resource in deployment.get("resources", []):
        named = {*resource.get("dependencies", []), resource.get("parent", "")}
        named.add(resource.get("provider", "").rpartition("::")[0])
        wrong += [f"{resource['urn']} before {name}" for name in named - {""} - seen]
        seen.add(resource["urn"])
    return wrong


def _flat(path: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {k: v for key, item in value.items() for k, v in _flat(f"{path} > {key}", item).items()}
    if isinstance(value, list) and value:
        return {k: v for i, item in enumerate(value) for k, v in _flat(f"{path} > {i}", item).items()}
    return {path: value}
