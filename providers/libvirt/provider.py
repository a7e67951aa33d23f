"""The life of a resource of libvirt's: the five steps, the same for each kind; a sibling gives what differs.

Out of scope: what the inputs are (`inputs`), and what libvirt does (`clients.libvirt`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from typing import Any, ClassVar

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from providers.libvirt.inputs import Input, Props, changed, difference, fill, result


class Provider(ResourceProvider):
    """One object of libvirt's. The id is its name."""

    serialize_as_secret_always = False
    client: ClassVar[Any]  # the module of clients.libvirt
    kind: ClassVar[type]  # the class of its descriptions
    inputs: ClassVar[Mapping[str, Input]]
    own_outputs: ClassVar[tuple[str, ...]]
    in_place: ClassVar[Collection[str]]

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Inputs that cannot work, alone, together, or on this machine."""
        return result(self.inputs, self.own_outputs, news, self.look)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """What differs from the state; one that was stopped is started."""
        return difference(changed(self.inputs, olds, news), self.in_place, changes=not olds.get("running"))

    def create(self, props: Props) -> CreateResult:
        """Create it; one that fails is removed."""
        filled = self.filled(props)
        return CreateResult(props["name"], self.outputs(filled, self.make(filled)))

    def read(self, id_: str, props: Props) -> ReadResult:
        """The object as it is; one that does not exist, or has another owner, counts as absent."""
        there = self.found(id_, props) if id_ else None
        return ReadResult("", {}) if there is None else ReadResult(id_, self.outputs(props, there))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        """Change in place what can be changed."""
        filled = self.filled(news)
        return UpdateResult(self.outputs(filled, self.change(filled)))

    def filled(self, props: Props) -> Props:
        """The inputs with every default filled in, so that they compare with what is read back."""
        return fill(self.inputs, props)[0]

    # -- what may differ

    def spec(self, props: Props) -> Any:
        """The description of these inputs."""
        return self.kind(**{each.name: props[each.name] for each in fields(self.kind)})

    def look(self, props: Props) -> None:
        """Raise for inputs that cannot work; what a preview does not know yet is not checked."""
        raise NotImplementedError

    def make(self, props: Props) -> Any:
        """Create the object."""
        return self.client.create(self.spec(props))

    def found(self, id_: str, props: Props) -> Any:
        """The object as it is; None when it does not exist, or has another owner."""
        there = self.client.find(id_)
        return there if there and props.get("stack") in (None, "", there.spec.stack) else None

    def change(self, props: Props) -> Any:
        """Change the object in place."""
        return self.client.update(self.spec(props))

    def outputs(self, _props: Props, found: Any) -> Props:
        """The object as outputs, by the names of the inputs."""
        spec = asdict(found.spec).items()
        shown = {key: list(value) if isinstance(value, tuple) else value for key, value in spec}
        return {**shown, "running": found.running}
