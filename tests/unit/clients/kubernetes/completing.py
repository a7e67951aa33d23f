"""What the fake API server fills in when it stores an object: identity, times, a few defaults."""

from __future__ import annotations

import base64
import datetime
import time
import uuid

from tests.unit.clients.kubernetes.managed_fields import Thing


def next_version() -> str:
    return str(time.monotonic_ns())


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def stamped(thing: Thing, old: Thing) -> Thing:
    known = {
        "uid": old.get("uid") or str(uuid.uuid4()),
        "creationTimestamp": old.get("creationTimestamp") or now(),
    }
    metadata = {**thing.get("metadata", {}), **known, "resourceVersion": next_version()}
    return {**thing, "metadata": metadata}


def default(thing: Thing) -> None:
    """A little of what the server fills in."""
    if thing["kind"] == "Deployment":
        thing["spec"].setdefault("replicas", 1)
        thing["spec"].setdefault("revisionHistoryLimit", 10)
    if thing["kind"] == "Secret":
        clear = thing.pop("stringData", {})
        coded = {key: base64.b64encode(value.encode()).decode() for key, value in clear.items()}
        thing["data"] = {**thing.get("data", {}), **coded}
    if thing["kind"] == "Service":
        thing["spec"].setdefault("clusterIP", "198.19.128.9")
