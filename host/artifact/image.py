"""The image of a tree: config and manifest written here, pushed to the loopback registry over its HTTP API.

A `docker build` of the same tar gives another id each time, because it writes the time into the config. Here everything is
fixed, and the layer is the tar itself: compressed bytes would depend on the library's version, and loopback gains
nothing by them. So the same tree is the same image id on every machine. Left out: registries with a password or TLS.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.artifact.definition import Definition
from host.artifact.manifest import file_sha256
from machine.addresses import USER
from machine.errors import VmlabError

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"
CREATED = "2023-11-14T22:13:20Z"  # tree.SECONDS
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_PIECE = 1 << 20


@dataclass(frozen=True)
class Image:
    """All that makes an image. `digest` is its manifest's, `id` its config's."""

    repository: str
    tar: Path
    layer: str
    config: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        """What it is pulled by."""
        return _digest(self.manifest)

    @property
    def id(self) -> str:
        """What Docker calls it once it is there."""
        return _digest(self.config)

    @property
    def name(self) -> str:
        """Repository and tag."""
        return f"{self.repository}:{self.id.removeprefix('sha256:')[:12]}"


def describe(definition: Definition, tar: Path) -> Image:
    """The image of a tree; nothing is sent."""
    layer = f"sha256:{file_sha256(tar)}"
    config = _json(_config(definition, layer))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": _digest(config)},
        "layers": [{"mediaType": LAYER, "size": tar.stat().st_size, "digest": layer}],
    }
    return Image(f"vmlab/{definition.name}", tar, layer, config, _json(manifest))


def push(image: Image, address: str) -> bool:
    """Send what the registry has not; whether that was anything."""
    registry = Registry(address)
    tag = image.name.rpartition(":")[2]
    if registry.digest(image.repository, tag) == image.digest:
        return False
    registry.put_blob(image.repository, image.id, image.config)
    registry.put_blob(image.repository, image.layer, image.tar)
    registry.put_manifest(image.repository, tag, image.manifest)
    return True


class Registry:
    """The few calls of the distribution API that a push is made of."""

    def __init__(self, address: str) -> None:
        self._address = address

    def digest(self, repository: str, tag: str) -> str:
        """The digest of what is under a tag; empty if nothing is."""
        path = f"/v2/{repository}/manifests/{tag}"
        status, headers = self._call("HEAD", path, headers={"Accept": MANIFEST})
        return headers.get("Docker-Content-Digest", "") if status == http.client.OK else ""

    def put_blob(self, repository: str, digest: str, content: bytes | Path) -> None:
        """Upload a blob unless it is there."""
        if self._call("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == http.client.OK:
            return
        headers = self._done(http.client.ACCEPTED, "POST", f"/v2/{repository}/blobs/uploads/")
        place = headers["Location"].removeprefix(f"http://{self._address}")
        path = f"{place}{'&' if '?' in place else '?'}digest={digest}"
        self._done(http.client.CREATED, "PUT", path, content, "application/octet-stream")

    def put_manifest(self, repository: str, tag: str, content: bytes) -> None:
        """Put a manifest under a tag."""
        self._done(http.client.CREATED, "PUT", f"/v2/{repository}/manifests/{tag}", content, MANIFEST)

    def _done(
        self, wanted: int, method: str, path: str, content: bytes | Path = b"", kind: str = ""
    ) -> dict[str, str]:
        headers = {"Content-Type": kind} if kind else {}
        status, answered = self._call(method, path, content, headers)
        if status != wanted:
            raise VmlabError(f"the registry at {self._address} answered {status} to {method} {path}")
        return answered

    def _call(
        self, method: str, path: str, content: bytes | Path = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str]]:
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        connection = http.client.HTTPConnection(self._address, timeout=60, blocksize=_PIECE)
        try:
            more = {"Content-Length": str(size)} if method != "HEAD" else {}
            if isinstance(content, Path):
                with content.open("rb") as body:
                    connection.request(method, path, body, {**(headers or {}), **more})
            else:
                connection.request(method, path, content or None, {**(headers or {}), **more})
            answer = connection.getresponse()
            answer.read()
            return answer.status, dict(answer.getheaders())
        except (OSError, http.client.HTTPException) as error:
            fix = "vmlab host up registry artifact"
            raise VmlabError(f"no registry answers at {self._address} ({error})\n  next: {fix}") from None
        finally:
            connection.close()


def _config(definition: Definition, layer: str) -> dict[str, Any]:
    settings = {"PATH": "/usr/sbin:/usr/bin", "PORT": str(definition.port), **definition.environment}
    return {
        "architecture": _MACHINES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": CREATED,
        "config": {
            "User": f"{USER}:{USER}",
            "WorkingDir": "/",
            "Env": [f"{name}={value}" for name, value in sorted(settings.items())],
            "Entrypoint": definition.command_inside(),
            "ExposedPorts": {f"{definition.port}/tcp": {}},
            "Labels": {"vmlab.artifact": definition.name},
        },
        "rootfs": {"type": "layers", "diff_ids": [layer]},
        "history": [{"created": CREATED, "created_by": "vmlab"}],
    }


def _json(members: dict[str, Any]) -> bytes:
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
