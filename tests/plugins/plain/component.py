"""A plain program as a component, with its provider."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

from clients.http_probe import ask
from components.spec import ServiceArgs, conditions, object_name, probe, require_port
from machine.errors import VmlabError
from machine.waiting import Deadline
from plain import substrate

ANSWER_SECONDS = 10.0


class PlainProvider(ResourceProvider):
    """One program. The id is its name."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start it and wait for its first answer."""
        copy = substrate.start(props["name"], int(props["port"]))
        url = f"http://127.0.0.1:{int(props['port'])}/"
        if not Deadline(ANSWER_SECONDS).until(lambda: ask(url) is not None):
            substrate.destroy(copy)
            raise VmlabError(f"{props['name']} does not answer")
        return CreateResult(props["name"], {**props, "pid": copy.process.pid})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """End it."""
        if copy := substrate.find(props["name"]):
            substrate.destroy(copy)


class Plain(Resource, module="plain", name="Program"):
    """The program itself."""

    pid: pulumi.Output[int]


class PlainService(pulumi.ComponentResource):
    """One program."""

    outputs: dict[str, Any]

    def __init__(self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        require_port(args)
        super().__init__("plain:index:PlainService", name, None, opts)
        program = object_name(name, "program")
        made = Plain(
            PlainProvider(),
            f"{name}-program",
            {"name": program, "port": args.port, "pid": None},
            pulumi.ResourceOptions(parent=self),
        )
        self.outputs = {
            "substrate": "plain",
            "url": f"http://127.0.0.1:{args.port}",
            "instance": {**probe(args), "name": program, "pid": made.pid},
            "artifact": args.artifact.digest,
            "limits": {"cpus": args.cpus, "memory_bytes": args.memory_bytes, "enforced": False},
            "conditions": conditions(runtime="none", network="loopback"),
        }
        self.register_outputs(self.outputs)
