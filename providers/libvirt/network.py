"""Networks. `autostart` and whether it runs are changed in place; everything else replaces it. Out of scope: NAT rules."""

from __future__ import annotations

from typing import Any, ClassVar

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

    client: ClassVar[Any] = networks
    kind = NetworkSpec
    inputs, own_outputs, in_place = INPUTS, ("running",), {"autostart"}

    def spec(self, props: Props) -> NetworkSpec:
        """With the span as a pair."""
        return NetworkSpec(**{**props, "dhcp": tuple(props["dhcp"])})

    def look(self, props: Props) -> None:
        """Not a wrong address, nor a bridge whose name another link has."""
        if known(props):
            network.to_xml(self.spec(props))
            networks.refuse_foreign(self.spec(props))

    def delete(self, id_: str, props: Props) -> None:
        """Stop and remove it; one that does not exist, or has another owner by now, counts as deleted."""
        networks.remove(id_, props.get("stack", ""))
