"""Networks. `autostart` and whether it runs are changed in place; everything else replaces it. Out of scope: NAT rules."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from clients.libvirt import networks
from clients.libvirt.description import NetworkSpec, network
from providers.libvirt.inputs import Input, Props, inputs_of, known
from providers.libvirt.provider import Provider


def span(value: Any) -> list[str]:
    """First and last address, or nothing."""
    if not isinstance(value, list) or len(value) not in (0, 2) or not all(isinstance(a, str) for a in value):
        raise ValueError("the first and the last address")
    return value


INPUTS = inputs_of(NetworkSpec, dhcp=Input(span, []))


class NetworkProvider(Provider):
    """One network. The id is its name."""

    inputs, own_outputs, in_place = INPUTS, ("running",), {"autostart"}

    def look(self, props: Props) -> None:
        """Not a wrong address, nor a bridge whose name another link has."""
        if known(props):
            network.to_xml(_spec(props))
            networks.refuse_foreign(_spec(props))

    def make(self, props: Props) -> networks.Found:
        """Define and start it."""
        return networks.create(_spec(props))

    def found(self, id_: str, props: Props) -> networks.Found | None:
        """One of another owner counts as absent."""
        there = networks.find(id_)
        return there if there and props.get("stack") in (None, "", there.spec.stack) else None

    def change(self, props: Props) -> networks.Found:
        """Start it, set `autostart`."""
        return networks.update(_spec(props))

    def outputs(self, _props: Props, found: networks.Found) -> Props:
        """Its spec, and whether it runs."""
        return {**asdict(found.spec), "dhcp": list(found.spec.dhcp), "running": found.running}

    def delete(self, id_: str, props: Props) -> None:
        """Stop and remove it; one that does not exist, or has another owner by now, counts as deleted."""
        networks.remove(id_, props.get("stack", ""))


def _spec(props: Props) -> NetworkSpec:
    return NetworkSpec(**{**props, "dhcp": tuple(props["dhcp"])})
