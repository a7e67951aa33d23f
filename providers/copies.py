"""What the providers of bare processes and of services on rungs share; both are thin over `substrates.copies`.

A subclass names its inputs and which of them are changed in place. Everything else is changed by replacing the copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)

from machine.errors import VmlabError
from substrates.copies import launch, life, records
from substrates.copies.records import Definition, Handle

WHOLE = ("port", "memory_bytes", "pids")  # Pulumi has one kind of number
Checks = dict[str, Callable[[dict[str, Any]], object]]


class CopyProvider(ResourceProvider):
    """One copy, of one kind. The id is its name."""

    serialize_as_secret_always = False
    kind: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    in_place: ClassVar[frozenset[str]]

    def checks(self) -> Checks:
        """What can be wrong, by the input that is then reported: each raises VmlabError."""
        return {"port": lambda props: launch.refuse_taken(self.definition(props))}

    def definition(self, props: dict[str, Any]) -> Definition:
        """What these inputs define."""
        raise NotImplementedError

    def own_outputs(self, handle: Handle) -> dict[str, Any]:
        """The outputs about its processes."""
        raise NotImplementedError

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Inputs that cannot work, before anything is started."""
        for key, attempt in self.checks().items():
            try:
                attempt(news)
            except VmlabError as error:
                return CheckResult(news, [CheckFailure(key, str(error))])
        return CheckResult(news, [])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """What changed; a copy that ended is started again by a replacement."""
        changed = [key for key in self.inputs if olds.get(key) != news.get(key)]
        replaces = [key for key in changed if key not in self.in_place]
        return DiffResult(changes=bool(changed), replaces=replaces, delete_before_replace=True)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start it and wait for its first answer; what does not answer is removed again."""
        handle = life.start(self.definition(props))
        try:
            life.wait(handle)
        except VmlabError:
            life.destroy(handle)
            raise
        return CreateResult(props["name"], self._outputs(props, handle))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """It exists as long as its process or its supervisor lives."""
        handle = records.find(self.kind, id_) if id_ else None
        if handle is None or not handle.process.lives():
            return ReadResult("", {})
        recorded = {key: value for key, value in asdict(handle.definition).items() if key in self.inputs}
        known = {**props, **recorded, "data": props.get("data", "")}
        if "rungs" in known:
            known["rungs"] = list(known["rungs"])
        return ReadResult(id_, self._outputs(known, handle), known)

    def update(self, id_: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Only its limits are changed in place."""
        handle = records.find(self.kind, id_)
        if handle is None or not handle.process.lives():
            raise VmlabError(f"{id_} is gone; refresh, then up")
        changed = life.set_limits(handle, float(news["cpus"]), int(news["memory_bytes"]))
        return UpdateResult(self._outputs(news, changed))

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        """Stop it; one that has ended leaves at most a record and an empty cgroup."""
        handle = records.find(self.kind, id_)
        if handle is not None:
            life.destroy(handle)

    def _outputs(self, props: dict[str, Any], handle: Handle) -> dict[str, Any]:
        limits = {"cpus": props["cpus"], "memory_bytes": props["memory_bytes"], "enforced": False}
        read = life.limits(handle)
        given = {key: props.get(key) for key in self.inputs}
        own = {**self.own_outputs(handle), "url": handle.url}
        return {**given, **own, "limits": read.as_dict() if read.enforced else limits}


def whole(props: dict[str, Any], inputs: tuple[str, ...]) -> dict[str, Any]:
    """The inputs that are given, whole numbers as such."""
    return {key: int(props[key]) if key in WHOLE else props[key] for key in inputs if key in props}
