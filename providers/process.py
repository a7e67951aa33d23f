"""The provider of bare processes, thin over `substrates.process`. Everything but `cpus` is changed by replacing it."""

from __future__ import annotations

from dataclasses import asdict
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

from machine import ports
from machine.errors import VmlabError
from substrates import process

INPUTS = (
    "name", "command", "port", "health", "cpus", "memory_bytes", "environment", "secret_file", "data", "templates",
)  # fmt: skip
IN_PLACE = {"cpus"}


class ProcessProvider(ResourceProvider):
    """One bare process. The id is its name."""

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Inputs that cannot work, before anything is started: a port that somebody else has."""
        failures = []
        port = news.get("port")
        running = process.find(news["name"]) if isinstance(news.get("name"), str) else None
        if isinstance(port, int | float) and not (running and running.definition.port == port):
            try:
                ports.refuse_taken(int(port))
            except VmlabError as error:
                failures.append(CheckFailure("port", str(error)))
        return CheckResult(news, failures)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """What changed; a process that died is started again by a replacement."""
        changed = [key for key in INPUTS if olds.get(key) != news.get(key)]
        replaces = [key for key in changed if key not in IN_PLACE]
        return DiffResult(changes=bool(changed), replaces=replaces, delete_before_replace=True)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start it and wait for its first answer; what does not answer is taken away again."""
        handle = process.start(_definition(props))
        try:
            process.wait(handle)
        except VmlabError:
            process.destroy(handle)
            raise
        return CreateResult(props["name"], _outputs(props, handle))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """It exists as long as its process lives."""
        handle = process.find(id_) if id_ else None
        if handle is None or not handle.process.lives():
            return ReadResult("", {})
        known = {**props, **asdict(handle.definition), "data": props.get("data", "")}
        return ReadResult(
            id_, _outputs(known, handle), {**known, "secret_file": handle.definition.secret_file}
        )

    def update(self, id_: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Only the CPU limit is changed in place."""
        handle = process.find(id_)
        if handle is None or not handle.process.lives():
            raise VmlabError(f"the process {id_} is gone; refresh, then up")
        return UpdateResult(_outputs(news, process.set_cpus(handle, float(news["cpus"]))))

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        """Stop it; one that is gone is deleted."""
        handle = process.find(id_)
        if handle is not None:
            process.destroy(handle)


def _definition(props: dict[str, Any]) -> process.Definition:
    whole = {key: int(props[key]) for key in ("port", "memory_bytes")}
    return process.Definition(**{key: props[key] for key in INPUTS if key in props} | whole)


def _outputs(props: dict[str, Any], handle: process.Handle) -> dict[str, Any]:
    given = {key: props.get(key) for key in INPUTS}
    return {
        **given,
        "pid": handle.process.pid,
        "start_ticks": handle.process.start_ticks,
        "url": handle.url,
        "limits": process.limits(props),
    }
