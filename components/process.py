"""The service as a bare process on the host: an unprivileged user, no capabilities, no isolation."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.secret import SecretFile, secret_file
from components.spec import ServiceArgs, conditions, object_name, probe, require_port
from providers.process import ProcessProvider

SUBSTRATE = "process"


class ProcessService(pulumi.ComponentResource):
    """One process, started in place from the artifact's tree."""

    outputs: dict[str, Any]

    def __init__(self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        require_port(args)
        super().__init__("vmlab:index:ProcessService", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        secret = secret_file(name, args, child)
        process = Process(f"{name}-process", object_name(name, "process"), args, secret, child)
        self.outputs = {
            "substrate": SUBSTRATE,
            "url": process.url,
            "instance": {**probe(args), "name": object_name(name, "process"), "pid": process.pid},
            "artifact": args.artifact.digest,
            "limits": process.limits,
            "conditions": conditions(runtime="none", network="loopback", variant="slim, in place"),
        }
        self.register_outputs(self.outputs)


class Process(Resource, module="vmlab", name="Process"):
    """The process itself."""

    pid: pulumi.Output[int]
    url: pulumi.Output[str]
    limits: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        process: str,
        args: ServiceArgs,
        secret: SecretFile | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        properties = {
            "name": process,
            "command": args.artifact.command_in_place(),
            "port": args.port,
            "health": args.artifact.health,
            "cpus": args.cpus,
            "memory_bytes": args.memory_bytes,
            "environment": {**args.artifact.environment, **args.environment},
            "secret_file": secret.path if secret else "",
            "data": "",
            "templates": args.artifact.templates_in_place(),
            "pid": None,
            "url": None,
            "limits": None,
            "start_ticks": None,
        }
        super().__init__(ProcessProvider(), name, properties, opts)
