"""Names for objects that were given none: the resource's name and 8 hexadecimal digits, marked by an annotation.

As the official provider does, with one thing more: what Kubernetes allows in no name is made a dash. The old name
stays as long as the resource does; a replacement gets a new one, so that both can live side by side.
"""

from __future__ import annotations

import hashlib
import re

import grpc
from pulumi.runtime.proto import provider_pb2

from engine import urn as urns
from engine.providers.kubernetes import objects
from engine.providers.kubernetes.refusal import Plain, RefusalError
from engine.providers.kubernetes.secrecy import with_member
from engine.values import Properties, Unknown

STEM_LENGTH = 54  # with the digits 63, which is what a Namespace or a Service may have
Autonaming = provider_pb2.CheckRequest.AutonamingOptions


def named(request: provider_pb2.CheckRequest, news: Properties, inputs: Plain, olds: Plain) -> Properties:
    """`news` with a name, if it needs one. `inputs` and `olds` are the new and old ones in the clear."""
    metadata = inputs.get("metadata")
    if isinstance(metadata, Unknown) or objects.inside(inputs, "metadata", "name"):
        return news
    if objects.inside(inputs, "metadata", "generateName"):
        raise RefusalError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "metadata.generateName does not go with server-side apply: leave the name out and one is made",
        )
    if olds:
        return _marked(news, objects.name_of(olds)) if objects.is_set(olds, objects.AUTONAMED) else news
    return _marked(news, _proposed(request) or automatic_name(request.urn, request.randomSeed))


def automatic_name(urn: str, seed: bytes) -> str:
    """A name for a resource: the same for the same seed."""
    stem = re.sub(r"[^a-z0-9.-]", "-", urns.name_of(urn).lower()).strip("-.")[:STEM_LENGTH] or "object"
    digits = seed.hex() if len(seed) >= 4 else hashlib.sha256(seed or urn.encode()).hexdigest()
    return f"{stem}-{digits[:8]}"


def _proposed(request: provider_pb2.CheckRequest) -> str:
    """The engine may forbid automatic names, or bring its own."""
    if not request.HasField("autonaming"):
        return ""
    if request.autonaming.mode == Autonaming.DISABLE:
        raise RefusalError(
            grpc.StatusCode.INVALID_ARGUMENT, "automatic names are disabled: metadata.name must be given"
        )
    return request.autonaming.proposed_name


def _marked(news: Properties, name: str) -> Properties:
    named_ = with_member(news, ("metadata", "name"), name)
    return with_member(named_, ("metadata", "annotations", objects.AUTONAMED), "true")
