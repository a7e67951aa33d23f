"""A dynamic resource that does nothing, so that a run's time is the engine's own."""

from __future__ import annotations

from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider


class ThingProvider(ResourceProvider):
    """Creates nothing; the id is the name."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Nothing to do."""
        return CreateResult(props["name"], props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare the names only."""
        return DiffResult(changes=olds["name"] != news["name"])


class Thing(Resource, module="things", name="Thing"):
    """One resource."""

    def __init__(self, name: str) -> None:
        super().__init__(ThingProvider(), name, {"name": name})
