"""libvirt's objects as Pulumi resources: pool, volume, network, domain. `providers.libvirt` defines their inputs."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import Resource

from providers.libvirt import DomainProvider, NetworkProvider, PoolProvider, VolumeProvider


class Pool(Resource, module="vmlab", name="LibvirtPool"):
    """A directory in which libvirt keeps volumes."""

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(PoolProvider(), name, {**inputs, "running": None}, opts)


class Volume(Resource, module="vmlab", name="LibvirtVolume"):
    """A disk in a pool; `path` is its file. The content of its archive is a secret."""

    path: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        hidden = pulumi.ResourceOptions(additional_secret_outputs=["files"])
        if "files" in inputs:
            inputs = {**inputs, "files": pulumi.Output.secret(inputs["files"])}
        properties = {**inputs, "path": None, "blank": None, "sha256": None}
        super().__init__(VolumeProvider(), name, properties, pulumi.ResourceOptions.merge(opts, hidden))


class Network(Resource, module="vmlab", name="LibvirtNetwork"):
    """A bridge with an address."""

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(NetworkProvider(), name, {**inputs, "running": None}, opts)


class Domain(Resource, module="vmlab", name="LibvirtDomain"):
    """A guest."""

    name: pulumi.Output[str]
    uuid: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(DomainProvider(), name, {"uuid": None, **inputs, "answered": None}, opts)
