"""The image of a tree: its config and manifest, written here, and pushed to the loopback registry.

A `docker build` of the same tar gives another id each time, because it writes the time into the config. Here everything is
fixed, and the layer is the tar itself: compressed bytes would depend on the library's version, and loopback gains
nothing by them. So the same tree has the same image id on every machine. Out of scope: running it.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.registry import CONFIG, LAYER, MANIFEST, Registry, digest_of
from host.artifact.definition import Definition
from host.artifact.manifest import file_sha256
from machine.addresses import USER

CREATED = "2023-11-14T22:13:20Z"  # tree.SECONDS
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


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
        return digest_of(self.manifest)

    @property
    def id(self) -> str:
        """Docker's name for it."""
        return digest_of(self.config)

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
        "config": {"mediaType": CONFIG, "size": len(config), "digest": digest_of(config)},
        "layers": [{"mediaType": LAYER, "size": tar.stat().st_size, "digest": layer}],
    }
    return Image(f"vmlab/{definition.name}", tar, layer, config, _json(manifest))


def push(image: Image, address: str) -> bool:
    """Send what the registry lacks; whether anything was sent."""
    registry = Registry(address)
    tag = image.name.rpartition(":")[2]
    if registry.digest(image.repository, tag) == image.digest:
        return False
    registry.put_blob(image.repository, image.id, image.config)
    registry.put_blob(image.repository, image.layer, image.tar)
    registry.put_manifest(image.repository, tag, image.manifest)
    return True


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
