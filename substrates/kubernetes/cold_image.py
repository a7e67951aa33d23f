"""A cold image: the same files in a layer that the node has not, so that a pod's boot has a pull in it.

The stack's own pods keep their image's layers, so it cannot be made cold by removing it. Its twin has 512 more zero bytes
behind the end of its tar, which no reader looks at: the same files, and another digest. It is put into the lab's registry
once, and removed from the node before each cold boot. Only on the lab's own cluster; left out: other registries.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import Any

import urllib3

from clients.kubernetes import places
from machine.commands import run
from machine.errors import VmlabError

SUFFIX = "-cold"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
PLAIN_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


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
    registry = _Registry(host)
    manifest = json.loads(registry.get(f"{repository}/manifests/{digest}"))
    if [layer["mediaType"] for layer in manifest["layers"]] != [PLAIN_LAYER]:
        return None
    tag = digest.rpartition(":")[2][:12]
    known = registry.find(f"{repository}{SUFFIX}/manifests/{tag}") or _put(
        registry, repository, manifest, tag
    )
    return Twin(f"{name}{SUFFIX}@{_digest(known)}", json.loads(known)["config"]["digest"])


def forget(twin: Twin) -> None:
    """Remove the twin from the node, with its layer; done when it is gone."""
    ctr = ["ctr", "--address", str(places.containerd_socket()), "--namespace", "k8s.io", "images"]
    kept = run([*ctr, "list", "--quiet"]).split()
    if ours := [name for name in (twin.reference, twin.id) if name in kept]:
        run([*ctr, "remove", "--sync", *ours])


def _put(registry: _Registry, repository: str, manifest: dict[str, Any], tag: str) -> bytes:
    """The twin's manifest, after its layer and its configuration."""
    layer = registry.get(f"{repository}/blobs/{manifest['layers'][0]['digest']}") + bytes(512)
    config = json.loads(registry.get(f"{repository}/blobs/{manifest['config']['digest']}"))
    config["rootfs"]["diff_ids"] = [_digest(layer)]
    text = json.dumps(config, sort_keys=True).encode()
    for blob in (layer, text):
        registry.put_blob(f"{repository}{SUFFIX}", blob)
    manifest["layers"][0] |= {"digest": _digest(layer), "size": len(layer)}
    manifest["config"] |= {"digest": _digest(text), "size": len(text)}
    whole = json.dumps(manifest, sort_keys=True).encode()
    registry.put_manifest(f"{repository}{SUFFIX}/manifests/{tag}", whole)
    return whole


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class _Registry:
    """The lab's registry, over plain HTTP on loopback."""

    def __init__(self, host: str) -> None:
        self._base = f"http://{host}/v2/"
        self._pool = urllib3.PoolManager(timeout=30.0, retries=False)

    def find(self, path: str) -> bytes | None:
        """What is there, or None."""
        response = self._send("GET", f"{self._base}{path}", Accept=MANIFEST)
        return response.data if response.status == 200 else None

    def get(self, path: str) -> bytes:
        """What must be there."""
        found = self.find(path)
        if found is None:
            raise VmlabError(f"the registry has no {path}; vmlab host up artifact")
        return found

    def put_blob(self, repository: str, content: bytes) -> None:
        """Upload it in one piece."""
        place = self._send("POST", f"{self._base}{repository}/blobs/uploads/").headers.get("Location", "")
        self._done(
            self._send(
                "PUT",
                f"{place}{'&' if '?' in place else '?'}digest={_digest(content)}",
                content,
                **{"Content-Type": "application/octet-stream"},
            )
        )

    def put_manifest(self, path: str, content: bytes) -> None:
        """Name it."""
        self._done(self._send("PUT", f"{self._base}{path}", content, **{"Content-Type": MANIFEST}))

    def _done(self, response: urllib3.BaseHTTPResponse) -> None:
        if response.status != 201:
            raise VmlabError(f"the registry does not take the cold image: {response.status}")

    def _send(
        self, method: str, url: str, body: bytes | None = None, **headers: str
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(method, url, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise VmlabError(f"the registry does not answer ({error}); vmlab host up registry") from None
