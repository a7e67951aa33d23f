"""The service with the kernel features of a container, applied by the lab itself: all the rungs, or some of them."""

from __future__ import annotations

from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.secret import SecretFile, secret_file
from components.spec import ServiceArgs, conditions, object_name, probe, require_port
from machine import addresses
from providers.namespaces import NamespacesProvider
from substrates import rungs
from substrates.rungs import network


class NamespacesService(pulumi.ComponentResource):
    """One service on the rungs: those of `chosen`, else those of the stack's configuration (`rungs`, with commas), else all."""

    substrate: ClassVar[str] = "namespaces"
    rungs: ClassVar[tuple[str, ...]] = rungs.NAMES

    outputs: dict[str, Any]

    def __init__(
        self,
        name: str,
        args: ServiceArgs,
        opts: pulumi.ResourceOptions | None = None,
        chosen: list[str] | None = None,
    ) -> None:
        config = pulumi.Config()
        used = list(chosen or _words(config.get("rungs")) or self.rungs)
        rungs.check(used)
        address = _address(config) if "network" in used else ""
        if not address:
            require_port(args)
        super().__init__(f"vmlab:index:{type(self).__name__}", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        secret = secret_file(name, args, child)
        place = {"address": address, "port": args.artifact.port if address else args.port}
        service = Rungs(f"{name}-rungs", object_name(name, "rungs"), args, used, place, secret, child)
        self.outputs = {
            "substrate": self.substrate,
            "url": service.url,
            "instance": {**probe(args), "name": object_name(name, "rungs"), "pid": service.pid},
            "artifact": args.artifact.digest,
            "limits": service.limits,
            "conditions": conditions(
                runtime="none",
                network="veth into a bridge" if address else "loopback",
                variant="slim" if "chroot" in used else "slim, in place",
                rungs=used,
            ),
        }
        self.register_outputs(self.outputs)


class ChrootService(NamespacesService):
    """The first two rungs: another root directory, and a mount namespace that keeps its mounts invisible to the host."""

    substrate: ClassVar[str] = "chroot"
    rungs: ClassVar[tuple[str, ...]] = ("mount", "chroot")


class Rungs(Resource, module="vmlab", name="Rungs"):
    """The service itself."""

    pid: pulumi.Output[int]
    supervisor: pulumi.Output[int]
    url: pulumi.Output[str]
    limits: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        service: str,
        args: ServiceArgs,
        used: list[str],
        place: dict[str, Any],
        secret: SecretFile | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        properties = {
            "name": service,
            "command": args.artifact.command,
            "root": str(args.artifact.root),
            "loader": args.artifact.loader,
            "library_path": args.artifact.library_path,
            "health": args.artifact.health,
            "rungs": used,
            "cpus": args.cpus,
            "memory_bytes": args.memory_bytes,
            "pids": 256,
            "environment": {**args.artifact.environment, **args.environment},
            "secret_file": secret.path if secret else "",
            "data": "",
            "templates": args.artifact.templates,
            **place,
            **dict.fromkeys(("pid", "supervisor", "url", "limits")),
        }
        super().__init__(NamespacesProvider(), name, properties, opts)


def _address(config: pulumi.Config) -> str:
    address = config.get("address") or addresses.NAMESPACES_SERVICE
    network.check_address(address)
    return address


def _words(text: str | None) -> list[str]:
    return (text or "").replace(",", " ").split()
