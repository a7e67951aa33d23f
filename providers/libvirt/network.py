"""Networks. `autostart` and whether it runs are changed in place; everything else replaces it. Out of scope: NAT rules."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from clients.libvirt import networks
from clients.libvirt.description import NetworkSpec, network
from providers.libvirt.inputs import (
    ABSENT,
    Input,
    Props,
    changed,
    difference,
    fill,
    known,
    result,
    text,
    truth,
)

IN_PLACE = {"autostart"}
OUTPUTS = ("running",)


def span(value: Any) -> list[str]:
    """First and last address, or nothing."""
    if not isinstance(value, list) or len(value) not in (0, 2) or not all(isinstance(a, str) for a in value):
        raise ValueError("the first and the last address")
    return value


INPUTS = {
    "name": Input(text),
    "stack": Input(text),
    "address": Input(text),
    "bridge": Input(text),
    "isolated": Input(truth, True),
    "dns": Input(truth, False),
    "dhcp": Input(span, []),
    "autostart": Input(truth, False),
}


class NetworkProvider(ResourceProvider):
    """One network. The id is its name."""

    serialize_as_secret_always = False

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Inputs that cannot work: a wrong address, a bridge whose name another link has."""
        return result(INPUTS, OUTPUTS, news, _look)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """What differs from the state; one that was stopped is started."""
        return difference(changed(INPUTS, olds, news), IN_PLACE, changes=not olds.get("running"))

    def create(self, props: Props) -> CreateResult:
        """Define and start it."""
        return CreateResult(props["name"], _outputs(networks.create(_spec(props))))

    def read(self, id_: str, props: Props) -> ReadResult:
        """The network as it is; one of another owner counts as absent."""
        there = networks.find(id_) if id_ else None
        if there is None or (props.get("stack") or there.spec.stack) != there.spec.stack:
            return ABSENT
        return ReadResult(id_, _outputs(there))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        """Start it, set `autostart`."""
        return UpdateResult(_outputs(networks.update(_spec(news))))

    def delete(self, id_: str, props: Props) -> None:
        """Stop and remove it; one that does not exist, or has another owner by now, counts as deleted."""
        networks.remove(id_, props.get("stack", ""))


def _look(props: Props) -> None:
    if known(props):
        network.to_xml(_spec(props))
        networks.refuse_foreign(_spec(props))


def _spec(props: Props) -> NetworkSpec:
    filled, _ = fill(INPUTS, props)
    return NetworkSpec(**{**filled, "dhcp": tuple(filled["dhcp"])})


def _outputs(found: networks.Found) -> Props:
    return {**asdict(found.spec), "dhcp": list(found.spec.dhcp), "running": found.running}
