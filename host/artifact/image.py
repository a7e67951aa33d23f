"""The image of a tree: config, layer and manifest written here, pushed to the loopback registry over its HTTP API.

A `docker build` of the same tar gives another id each time, because it writes the time into the config. Here everything is
fixed, so the same tree is the same image id on every machine. Left out: registries that want a password or TLS.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.artifact.definition import Definition
from host.artifact.manifest import file_sha256
from host.errors import HostError

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CREATED = "2023-11-14T22:13:20Z"  # rootfs.SECONDS
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """A pushed image: its name, the digest of its manifest, and its id (the digest of its config)."""

    name: str
    digest: str
    id: str


def push(definition: Definition, tar: Path, repository: str, registry: str, entrypoint: list[str]) -> Image:
    """Push the tree as an image; what the registry has already is not sent again."""
    layer = _compressed(tar)
    config = _config(definition, file_sha256(tar), entrypoint)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": _digest(config)},
        "layers": [
            {"mediaType": LAYER, "size": layer.stat().st_size, "digest": f"sha256:{file_sha256(layer)}"}
        ],
    }
    text = json.dumps(manifest, sort_keys=True).encode()
    tag = _digest(config).removeprefix("sha256:")[:12]
    client = _Registry(registry, repository)
    client.blob(_digest(config), config)
    client.blob(manifest["layers"][0]["digest"], layer.read_bytes())  # type: ignore[index]
    client.manifest(tag, text)
    return Image(f"{registry}/{repository}:{tag}", _digest(text), _digest(config))


def _config(definition: Definition, diff_id: str, entrypoint: list[str]) -> bytes:
    members: dict[str, Any] = {
        "architecture": _MACHINES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": CREATED,
        "config": {
            "User": "65532:65532",
            "Env": ["PATH=/usr/bin:/bin", *(f"{k}={v}" for k, v in sorted(definition.environment.items()))],
            "Entrypoint": entrypoint,
            "ExposedPorts": {f"{definition.port}/tcp": {}},
            "Labels": {"vmlab.artifact": definition.name},
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
        "history": [{"created": CREATED, "created_by": "vmlab"}],
    }
    return json.dumps(members, sort_keys=True).encode()


def _compressed(tar: Path) -> Path:
    """The layer; without a time in its header, so that it is the same bytes each time."""
    path = tar.with_suffix(".tar.gz")
    if not path.exists():
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
            packed.write(tar.read_bytes())
        fresh.rename(path)
    return path


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class _Registry:
    """One repository of a registry."""

    def __init__(self, address: str, repository: str) -> None:
        self._address = address
        self._base = f"/v2/{repository}"

    def blob(self, digest: str, data: bytes) -> None:
        """Upload a blob unless it is there."""
        if self._call("HEAD", f"{self._base}/blobs/{digest}")[0] == 200:
            return
        _, headers, _ = self._call("POST", f"{self._base}/blobs/uploads/")
        place = headers.get("Location", "")
        place = place.removeprefix(f"http://{self._address}")
        self._expect(
            201,
            "PUT",
            f"{place}{'&' if '?' in place else '?'}digest={digest}",
            data,
            "application/octet-stream",
        )

    def manifest(self, tag: str, data: bytes) -> None:
        """Put the manifest under a tag."""
        self._expect(201, "PUT", f"{self._base}/manifests/{tag}", data, MANIFEST)

    def _expect(self, wanted: int, method: str, path: str, data: bytes, kind: str) -> None:
        status, _, body = self._call(method, path, data, kind)
        if status != wanted:
            raise HostError(
                f"the registry at {self._address} answered {status} to {method}: {body[:200].decode()}"
            )

    def _call(
        self, method: str, path: str, data: bytes = b"", kind: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._address, timeout=120)
        try:
            connection.request(method, path, data or None, {"Content-Type": kind} if kind else {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except OSError as error:
            raise HostError(
                f"cannot reach the registry at {self._address} ({error}); vmlab host up registry"
            ) from None
        finally:
            connection.close()
