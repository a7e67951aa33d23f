"""The secret as a file that the service's user can read, for substrates that share the host's file system.

Out of scope: guests (the configuration disk) and clusters (a Secret).
"""

from __future__ import annotations

import pulumi
from pulumi.dynamic import Resource

from components.spec import ServiceArgs, object_name
from providers.secret import SecretFileProvider


class SecretFile(Resource, module="vmlab", name="SecretFile"):
    """A file that contains a secret; `path` is its path on the host."""

    path: pulumi.Output[str]

    def __init__(self, name: str, file: str, value: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        merged = pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(additional_secret_outputs=["value"])
        )
        properties = {"name": file, "value": value, "path": None, "sha256": None}
        super().__init__(SecretFileProvider(), name, properties, merged)


def secret_file(name: str, args: ServiceArgs, opts: pulumi.ResourceOptions) -> SecretFile | None:
    """The file resource of a component's secret; None if the stack has no secret."""
    if args.secret is None:
        return None
    return SecretFile(f"{name}-secret", object_name(name, "secret"), args.secret, opts)
