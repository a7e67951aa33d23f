"""The provider of services on rungs, thin over `substrates.namespaces`. What it may use is changed in place, all else by
replacing it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from substrates import namespaces, rungs
from substrates.rungs import launch, network, roots

INPUTS = (
    "name", "command", "root", "loader", "library_path", "port", "address", "health", "rungs", "cpus", "memory_bytes",
    "pids", "environment", "secret_file", "data", "templates",
)  # fmt: skip
WHOLE = ("port", "memory_bytes", "pids")  # Pulumi has one kind of number
IN_PLACE = {"cpus", "memory_bytes"}


class NamespacesProvider(ResourceProvider):
    """One service with the rungs around it. The id is its name."""

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Inputs that cannot work, before anything is started: the rungs, the root file system, a taken port or address."""
        for key, attempt in _CHECKS.items():
            try:
                attempt(news)
            except VmlabError as error:
                return CheckResult(news, [CheckFailure(key, str(error))])
        return CheckResult(news, [])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """What changed; a service that died is started again by a replacement."""
        changed = [key for key in INPUTS if olds.get(key) != news.get(key)]
        replaces = [key for key in changed if key not in IN_PLACE]
        return DiffResult(changes=bool(changed), replaces=replaces, delete_before_replace=True)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start it and wait for its first answer; what does not answer is taken away again."""
        handle = namespaces.start(_definition(props))
        try:
            namespaces.wait(handle)
        except VmlabError:
            namespaces.destroy(handle)
            raise
        return CreateResult(props["name"], _outputs(props, handle))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """It exists as long as its supervisor lives, and ends with it."""
        handle = namespaces.find(id_) if id_ else None
        if handle is None or not handle.supervisor.lives():
            return ReadResult("", {})
        found = {key: getattr(handle.definition, key) for key in INPUTS}
        known = {**props, **found, "rungs": list(handle.definition.rungs), "data": props.get("data", "")}
        return ReadResult(id_, _outputs(known, handle), known)

    def update(self, id_: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Only what it may use is changed in place."""
        handle = namespaces.find(id_)
        if handle is None or not handle.supervisor.lives():
            raise VmlabError(f"{id_} is gone; refresh, then up")
        changed = namespaces.set_limits(handle, float(news["cpus"]), int(news["memory_bytes"]))
        return UpdateResult(_outputs(news, changed))

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        """Stop it; one that is gone leaves at most a record and an empty cgroup."""
        handle = namespaces.find(id_)
        if handle is not None:
            namespaces.destroy(handle)


def _check_address(props: dict[str, Any]) -> None:
    if "network" in props["rungs"]:
        network.check_address(props["address"])
        launch.refuse_taken(_definition(props))


def _check_port(props: dict[str, Any]) -> None:
    if "network" not in props["rungs"]:
        launch.refuse_taken(_definition(props))


_CHECKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "rungs": lambda props: rungs.check(props["rungs"]),
    "root": lambda props: roots.check(Path(props["root"])),
    "address": _check_address,
    "port": _check_port,
}


def _definition(props: dict[str, Any]) -> namespaces.Definition:
    whole = {key: int(props[key]) for key in WHOLE}
    given = {key: props[key] for key in INPUTS if key in props}
    return namespaces.Definition(**{**given, **whole, "rungs": tuple(props["rungs"])})


def _outputs(props: dict[str, Any], handle: namespaces.Handle) -> dict[str, Any]:
    given = {key: props.get(key) for key in INPUTS}
    return {
        **given,
        "pid": handle.main.pid,
        "supervisor": handle.supervisor.pid,
        "url": handle.url,
        "limits": namespaces.limits(props),
    }
