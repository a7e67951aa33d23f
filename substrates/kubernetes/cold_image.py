"""A cold image: the same files in a layer that the node has not, so that a pod's boot has a pull in it.

The stack's own pods keep their image's layers, so it cannot be made cold by removing it. Its twin has 512 more zero bytes
behind the end of its tar, which no reader looks at: the same files, and another digest. It is put into the lab's registry
once, and removed from the node before each cold boot. Only on the lab's own cluster. Out of scope: other registries.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import Any

from clients.kubernetes import places
from clients.registry import LAYER, Registry, digest_of
from machine.commands import run
from machine.errors import VmlabError

SUFFIX = "-cold"


@dataclass(frozen=True)
class Twin:
    """The twin of an image: how a pod refers to it, and by what other name the node keeps it."""

    reference: str
    id: str


def twin_of(reference: str) -> Twin | None:
    """The twin of an image that is named by its digest, put into its registry if it is not there; None where it cannot be."""
    name, _, digest = reference.partition("@")
    host, _, repository = name.partition("/")
    if not shutil.which("ctr") or not digest:
        return None
    registry = Registry(host)
    found = registry.manifest(repository, digest)
    if found is None:
        raise VmlabError(f"the registry has no {reference}", "vmlab host up artifact")
    manifest = json.loads(found)
    if [layer["mediaType"] for layer in manifest["layers"]] != [LAYER]:
        return None
    tag = digest.rpartition(":")[2][:12]
    known = registry.manifest(f"{repository}{SUFFIX}", tag) or _put(registry, repository, manifest, tag)
    return Twin(f"{name}{SUFFIX}@{digest_of(known)}", json.loads(known)["config"]["digest"])


def forget(twin: Twin) -> None:
    """Remove the twin from the node, with its layer; done when it is gone."""
    ctr = ["ctr", "--address", str(places.containerd_socket()), "--namespace", "k8s.io", "images"]
    kept = run([*ctr, "list", "--quiet"]).split()
    if ours := [name for name in (twin.reference, twin.id) if name in kept]:
        run([*ctr, "remove", "--sync", *ours])


def _put(registry: Registry, repository: str, manifest: dict[str, Any], tag: str) -> bytes:
    """The twin's manifest, after its layer and its configuration."""
    layer = registry.blob(repository, manifest["layers"][0]["digest"]) + bytes(512)
    config = json.loads(registry.blob(repository, manifest["config"]["digest"]))
    config["rootfs"]["diff_ids"] = [digest_of(layer)]
    text = json.dumps(config, sort_keys=True).encode()
    for blob in (layer, text):
        registry.put_blob(f"{repository}{SUFFIX}", digest_of(blob), blob)
    manifest["layers"][0] |= {"digest": digest_of(layer), "size": len(layer)}
    manifest["config"] |= {"digest": digest_of(text), "size": len(text)}
    whole = json.dumps(manifest, sort_keys=True).encode()
    registry.put_manifest(f"{repository}{SUFFIX}", tag, whole)
    return whole
