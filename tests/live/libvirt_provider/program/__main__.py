"""The test program of the libvirt provider: what `things.json` lists, in its order, each depending on the one before.

A value `{"from": "disk", "output": "path"}` is an output of another thing; `{"secret": ...}` is a secret.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from providers.libvirt import DomainProvider, NetworkProvider, PoolProvider, VolumeProvider

OUTPUTS = {
    "Domain": (DomainProvider, ["answered"]),
    "Network": (NetworkProvider, ["running"]),
    "Pool": (PoolProvider, ["running"]),
    "Volume": (VolumeProvider, ["path", "sha256", "blank"]),
}
made: dict[str, Resource] = {}


class Thing(Resource, module="vmlab", name="Thing"):
    """One thing of libvirt's."""

    def __init__(self, kind: str, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions):
        provider, outputs = OUTPUTS[kind]
        for output in outputs:
            setattr(type(self), output, None)
        super().__init__(provider(), name, {**dict.fromkeys(outputs), **inputs}, opts)


def filled(value: Any) -> Any:
    """The value with outputs of others and secrets in it."""
    if isinstance(value, list):
        return [filled(one) for one in value]
    if isinstance(value, dict) and "from" in value:
        return getattr(made[value["from"]], value["output"])
    if isinstance(value, dict) and "secret" in value:
        return pulumi.Output.secret(value["secret"])
    return {key: filled(one) for key, one in value.items()} if isinstance(value, dict) else value


for name, (kind, inputs) in json.loads(Path(__file__).with_name("things.json").read_text()).items():
    before = pulumi.ResourceOptions(depends_on=list(made.values())[-1:])
    made[name] = Thing(kind, name, filled(inputs), before)
