"""Labels by which our objects are known, and the names of those that got none.

The URN's hash is the proof: a name can be anybody's, an object that carries the hash was made for this very
resource. Label `vmlab.stack` is for people and for `gc`; one that the program sets itself wins there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from engine import urn as urns

STACK_LABEL = "vmlab.stack"
URN_LABEL = "vmlab.urn-hash"
NAME_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}"
NAME_SAYS = "letters, digits, '_', '.' and '-', the first a letter or digit"


def urn_hash(urn: str) -> str:
    """The mark of a resource: 16 hexadecimal digits."""
    return hashlib.sha256(urn.encode()).hexdigest()[:16]


def labels_of(urn: str, wanted: object = None) -> dict[str, str]:
    """The labels of an object: the user's (a list of label and value) and ours."""
    stack, project = urn.removeprefix("urn:pulumi:").split("::")[:2]
    labels = {STACK_LABEL: f"{project}/{stack}"}
    labels.update({item["label"]: item["value"] for item in wanted or []} if isinstance(wanted, list) else {})
    return labels | {URN_LABEL: urn_hash(urn)}


def is_ours(labels: Mapping[str, Any] | None, urn: str) -> bool:
    """Whether an object with these labels was made for this resource."""
    return (labels or {}).get(URN_LABEL) == urn_hash(urn)


def automatic_name(urn: str, seed: bytes) -> str:
    """A name for a resource that was given none: the same for the same seed."""
    stem = re.sub(r"[^a-zA-Z0-9_.-]", "-", urns.name_of(urn)).lstrip("_.-") or "vmlab"
    suffix = hashlib.sha256(seed or urn.encode()).hexdigest() if len(seed) < 4 else seed.hex()
    return f"{stem[:240]}-{suffix[:7]}"
