"""A dynamic resource that is a file in the project's `world` folder, and a log of every call that changes it.

Copied into the project of each test. A change of `fixed` replaces it, a change of `slot` replaces it with the delete
first, any other is an update. A file `<call> <name>.fault` makes the next such call go wrong, once: `fail`, `kill`
(this process, before the effect), `kill after` (the effect), `hang` (until a file `<call> <name>.go` is there).
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

WORLD = Path(__file__).resolve().parent / "world"
DEADLINE_SECONDS = 30.0


class ThingProvider(ResourceProvider):
    """Keeps `world/<name>.thing`; the id is the name, so that a lost create is found again."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        name = props["name"]
        with _Call("create", name):
            _file(name).write_text(json.dumps(_own(props)))
        return CreateResult(name, {**props, "size": len(_own(props))})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        changed = [key for key in sorted({*olds, *news} - {"size"}) if olds.get(key) != news.get(key)]
        replaces = [key for key in changed if key in ("fixed", "slot", "name")]
        return DiffResult(changes=bool(changed), replaces=replaces, delete_before_replace="slot" in changed)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        with _Call("update", news["name"]):
            _file(news["name"]).write_text(json.dumps(_own(news)))
        return UpdateResult({**news, "size": len(_own(news))})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        if not id_ or not _file(id_).exists():
            return ReadResult("", {})
        found = json.loads(_file(id_).read_text())
        return ReadResult(id_, {**props, **found, "size": len(found)})

    def delete(self, id_: str, props: dict[str, Any]) -> None:
        with _Call("delete", id_):
            _file(id_).unlink(missing_ok=True)


class Echo(ThingProvider):
    """The same, but it does not look: its read is the SDK's default, which echoes what it is asked."""

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ResourceProvider.read(self, id_, props)


class Thing(Resource, module="thing", name="Thing"):
    """A thing with any properties."""

    size: pulumi.Output[int]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        provider = props.pop("provider", ThingProvider)
        super().__init__(provider(), name, {"name": name, "size": None, **props}, opts)


class _Call:
    """One logged call around its effect, with the fault that the test asked for."""

    def __init__(self, call: str, name: str) -> None:
        self._call = f"{call} {name}"
        fault = WORLD / f"{self._call}.fault"
        self._fault = fault.read_text() if fault.exists() else ""
        fault.unlink(missing_ok=True)

    def __enter__(self) -> None:
        with (WORLD / "log").open("a") as log:
            log.write(f"{self._call}\n")
        if self._fault == "fail":
            raise RuntimeError(f"no {self._call} today")
        if self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fault == "hang":
            _wait_for(WORLD / f"{self._call}.go")

    def __exit__(self, *_: object) -> None:
        if self._fault == "kill after":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fault == "hang after":
            _wait_for(WORLD / f"{self._call}.go")


def _wait_for(path: Path) -> None:
    (path.with_suffix(".waits")).touch()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def _file(name: str) -> Path:
    return WORLD / f"{name}.thing"


def _own(props: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in props.items() if key not in ("__provider", "size")}
