"""Network: `docker:index/network:Network`.

Every change needs a new network, and the old one must go first: the two would share a subnet or a name.
Docker allows two networks of one name, so this looks first: one with our URN's label is the leftover of a
lost create and is replaced, any other is refused.
Out of scope: `ingress` (swarm), `ipamDriver`, `ipamOptions` and `auxAddress`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from docker.errors import NotFound

from engine.providers.docker import ownership
from engine.providers.docker.docker_daemon import RefusalError, words_of
from engine.providers.docker.forms import Applied, Flag, Input, Many, Mapped, Record, Text
from engine.providers.docker.kind import Call, Kind, Made, Plain

TYPE = "docker:index/network:Network"
LABELS = Many(Record({"label": Text(), "value": Text()}, required=("label", "value")))
CIDR = Text(r"[0-9a-fA-F.:]+/[0-9]{1,3}", says="an address range such as 198.18.0.0/24")
ADDRESS = Text(r"[0-9a-fA-F.:]+", says="an address")
INPUTS: Mapping[str, Input] = {
    "name": Input(Text(ownership.NAME_PATTERN, says=ownership.NAME_SAYS), Applied.REPLACE),
    "driver": Input(Text(), Applied.REPLACE, default="bridge"),
    "internal": Input(Flag(), Applied.REPLACE, default=False),
    "attachable": Input(Flag(), Applied.REPLACE, default=False),
    "ipv6": Input(Flag(), Applied.REPLACE, default=False),
    "ipamConfigs": Input(
        Many(Record({"subnet": CIDR, "gateway": ADDRESS, "ipRange": CIDR}, required=("subnet",))),
        Applied.REPLACE,
    ),
    "options": Input(Mapped(), Applied.REPLACE),
    "labels": Input(LABELS, Applied.REPLACE),
}
COMPUTED = ("scope",)
DELETE_SECONDS = 30.0


def preview(call: Call) -> Plain:
    """What Docker will choose is left to COMPUTED."""
    return {"driver": "bridge", "internal": False, **call.inputs}


def create(call: Call) -> Made:
    """Make it, after removing our own leftover."""
    name = call.inputs["name"]
    for found in _named(call, name):
        if not ownership.is_ours(found.get("Labels"), call.urn):
            message = f"a network named {name} exists and is not ours: choose another name or remove it"
            raise RefusalError(grpc.StatusCode.ALREADY_EXISTS, message)
        _remove(call, found["Id"])
    made = call.daemon.client.create_network(
        name,
        driver=call.inputs.get("driver") or "bridge",
        options=call.inputs.get("options") or {},
        ipam=_ipam(call.inputs.get("ipamConfigs")),  # type: ignore[arg-type]  # the SDK's IPAMConfig is this dict
        check_duplicate=True,
        internal=bool(call.inputs.get("internal")),
        labels=ownership.labels_of(call.urn, call.inputs.get("labels")),
        enable_ipv6=bool(call.inputs.get("ipv6")),
        attachable=bool(call.inputs.get("attachable")),
    )
    return Made(made["Id"], _outputs(call, _inspect(call, made["Id"]) or {}))


def read(call: Call) -> Made | None:
    """Look at it by id; by name only ours counts."""
    found = _inspect(call, call.id)
    by_name = found is not None and found["Id"] != call.id
    if found is None or (by_name and call.urn and not ownership.is_ours(found.get("Labels"), call.urn)):
        return None
    inputs = call.inputs or {"name": found["Name"], "driver": found["Driver"]}
    return Made(found["Id"], _outputs(call, found), inputs=inputs)


def delete(call: Call) -> None:
    """Remove it and see it gone."""
    _remove(call, call.id)


def _remove(call: Call, id_: str) -> None:
    """Endpoints detach some time after their container's end; until then Docker refuses with 403."""
    call.daemon.remove(
        lambda client: client.remove_network(id_),
        lambda error: "active endpoints" in words_of(error),
        call.deadline(DELETE_SECONDS),
        f"the end of network {id_[:12]}",
    )


def _inspect(call: Call, id_: str) -> Plain | None:
    try:
        return dict(call.daemon.client.inspect_network(id_))
    except NotFound:
        return None


def _named(call: Call, name: str) -> list[Plain]:
    """Docker's filter matches parts of names too."""
    return [dict(found) for found in call.daemon.client.networks(names=[name]) if found["Name"] == name]


def _ipam(configs: list[Plain] | None) -> Plain | None:
    names = (("subnet", "Subnet"), ("gateway", "Gateway"), ("ipRange", "IPRange"))
    rows = [{docker: config[ours] for ours, docker in names if config.get(ours)} for config in configs or []]
    return {"Driver": "default", "Config": rows} if rows else None


def _outputs(call: Call, found: Plain) -> Plain:
    ranges: list[dict[str, Any]] = [
        {"subnet": row.get("Subnet"), "gateway": row.get("Gateway"), "ipRange": row.get("IPRange")}
        for row in (found.get("IPAM") or {}).get("Config") or []
    ]
    observed: Plain = {
        "name": found["Name"],
        "driver": found["Driver"],
        "scope": found["Scope"],
        "internal": found["Internal"],
        "attachable": found["Attachable"],
        "ipv6": found["EnableIPv6"],
        "options": found.get("Options") or {},
        "ipamConfigs": [{k: v for k, v in row.items() if v} for row in ranges],
    }
    return {**call.inputs, **observed}


KIND = Kind(
    TYPE, INPUTS, COMPUTED, create, read, delete, preview=preview, deletes_first=lambda olds, news: True
)
