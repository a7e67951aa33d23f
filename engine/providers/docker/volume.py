"""Volume: `docker:index/volume:Volume`.

Every change needs a new volume: Docker cannot alter one. Docker answers a create of an existing name with
success, so this looks first: a volume with our URN's label is the leftover of a lost create and is adopted,
any other is refused.
Out of scope: `cluster` (swarm volumes).
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from engine.providers.docker import ownership
from engine.providers.docker.docker_daemon import RefusalError
from engine.providers.docker.forms import LABELS, Applied, Input, Mapped, Text
from engine.providers.docker.kind import Call, Kind, Made, Plain, same_name

TYPE = "docker:index/volume:Volume"
INPUTS: Mapping[str, Input] = {
    "name": Input(Text(ownership.NAME_PATTERN, says=ownership.NAME_SAYS), Applied.REPLACE),
    "driver": Input(Text(), Applied.REPLACE, default="local"),
    "driverOpts": Input(Mapped(), Applied.REPLACE),
    "labels": Input(LABELS, Applied.REPLACE),
}
COMPUTED = ("mountpoint",)
DELETE_SECONDS = 60.0


def preview(call: Call) -> Plain:
    """The mountpoint comes from Docker."""
    return {"driver": "local", **call.inputs}


def create(call: Call) -> Made:
    """Make it, or adopt our own leftover."""
    name = call.inputs["name"]
    found = _inspect(call, name)
    if found is None:
        call.daemon.client.create_volume(
            name,
            driver=call.inputs.get("driver") or "local",
            driver_opts=call.inputs.get("driverOpts") or {},
            labels=ownership.labels_of(call.urn, call.inputs.get("labels")),
        )
        found = _inspect(call, name) or {}
    elif ownership.is_ours(found.get("Labels"), call.urn):
        _refuse_other_options(call, found)
    else:
        message = f"a volume named {name} exists and is not ours: choose another name or remove it"
        raise RefusalError(grpc.StatusCode.ALREADY_EXISTS, message)
    return Made(name, _outputs(call, found))


def read(call: Call) -> Made | None:
    """Look at it by name; to recover a lost create only ours counts."""
    found = _inspect(call, call.id)
    if found is None or (call.recovers and not ownership.is_ours(found.get("Labels"), call.urn)):
        return None
    inputs = call.inputs or {"name": found["Name"], "driver": found["Driver"]}
    return Made(found["Name"], _outputs(call, found), inputs=inputs)


def delete(call: Call) -> None:
    """Remove it; while a container that is ending still holds it (409), retry."""
    call.daemon.remove(
        lambda client: client.remove_volume(call.id),
        lambda error: error.status_code == 409,
        call.deadline(DELETE_SECONDS),
        f"the end of volume {call.id}",
    )


def _refuse_other_options(call: Call, found: Plain) -> None:
    """A leftover may hold data of a state that was lost: what cannot be adopted as it is, is not ours to remove."""
    wanted = (call.inputs.get("driver") or "local", call.inputs.get("driverOpts") or {})
    if (found["Driver"], found.get("Options") or {}) != wanted:
        message = (
            f"a volume named {found['Name']} was made for this resource with other options: remove it by hand"
        )
        raise RefusalError(grpc.StatusCode.ALREADY_EXISTS, message)


def _inspect(call: Call, name: str) -> Plain | None:
    return call.daemon.look(call.daemon.client.inspect_volume, name)


def _outputs(call: Call, found: Plain) -> Plain:
    return {
        **call.inputs,
        "name": found["Name"],
        "driver": found["Driver"],
        "mountpoint": found["Mountpoint"],
    }


KIND = Kind(TYPE, INPUTS, COMPUTED, create, read, delete, preview=preview, deletes_first=same_name)
