"""The program whose state is `dynamic-providers.json`: one resource of each dynamic provider, in a component."""

from __future__ import annotations

import os
from typing import Any

import pulumi
from pulumi.dynamic import Resource, ResourceProvider

from providers.folder import FolderProvider
from providers.libvirt import DomainProvider, NetworkProvider, PoolProvider, VolumeProvider
from providers.namespaces import NamespacesProvider
from providers.process import ProcessProvider
from providers.secret import SecretFileProvider

HOME = os.environ["VMLAB_HOME"]
STACK = "tested/dev"
MEBIBYTE = 1024**2


class Services(pulumi.ComponentResource):
    """The parent of all."""

    def __init__(self) -> None:
        super().__init__("vmlab:index:Services", "services")


class Kept(Resource, module="vmlab", name="Kept"):
    """A resource of any of the providers."""

    path: pulumi.Output[str]


def kept(provider: ResourceProvider, called: str, after: list[Resource] | None = None, **inputs: Any) -> Kept:
    """Declare one."""
    return Kept(provider, called, inputs, pulumi.ResourceOptions(parent=services, depends_on=after or []))


services = Services()
folder = kept(FolderProvider(), "folder", name="kept-folder", path=None)
secret = kept(
    SecretFileProvider(),
    "secret",
    name="kept-secret",
    value=pulumi.Output.secret("hidden"),
    path=None,
    sha256=None,
)
service: dict[str, Any] = {
    "command": ["/server"],
    "health": "/healthz",
    "cpus": 0.5,
    "memory_bytes": 256 * MEBIBYTE,
    "environment": {"GREETING": "hello"},
    "secret_file": secret.path,
    "data": folder.path,
    "templates": "",
    "pid": None,
    "url": None,
    "limits": None,
}
kept(ProcessProvider(), "process", [], name="kept-process", port=18997, start_ticks=None, **service)
kept(
    NamespacesProvider(),
    "namespaces",
    name="kept-namespaces",
    root=f"{HOME}/cache/rungs/roots/null-0123456789abcdef",
    loader="",
    library_path="",
    port=18998,
    address="",
    rungs=["user", "mount"],
    pids=256,
    supervisor=None,
    **service,
)
network = kept(
    NetworkProvider(),
    "network",
    name="kept-network",
    stack=STACK,
    address="198.18.250.1/26",
    bridge="vl-kept",
)
pool = kept(PoolProvider(), "pool", name="kept-pool", path=f"{HOME}/pools/kept-pool")
volume = kept(
    VolumeProvider(), "volume", [pool], name="kept.raw", pool="kept-pool", capacity_bytes=MEBIBYTE, path=None
)
kept(
    DomainProvider(),
    "domain",
    [network],
    name="kept-domain",
    stack=STACK,
    memory_bytes=128 * MEBIBYTE,
    vcpus=1,
    accelerator="tcg",
    machine="q35",
    disks=[{"path": volume.path}],
    interfaces=[{"network": "kept-network", "mac": "52:54:00:12:00:02"}],
)
pulumi.export("folder", folder.path)
