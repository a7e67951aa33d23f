"""A network: a bridge of libvirt's with an address, isolated unless `isolated` is False. Out of scope: IPv6, VLANs."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, fromstring, tostring

from clients.libvirt.description import tree
from machine.errors import InvalidInput

BRIDGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")  # IFNAMSIZ is 16 with its end


@dataclass(frozen=True)
class NetworkSpec:
    """All that a network is made from."""

    name: str
    stack: str
    address: str  # the bridge's own, with the prefix: 198.18.1.1/26
    bridge: str
    isolated: bool = True  # False: NAT to the outside
    dns: bool = False
    dhcp: tuple[str, str] | tuple[()] = ()  # first and last address
    autostart: bool = False  # not part of the XML

    @property
    def interface(self) -> ipaddress.IPv4Interface:
        """The parsed address; InvalidInput when it is not one."""
        try:
            found = ipaddress.IPv4Interface(self.address)
        except ValueError as error:
            raise InvalidInput(
                f"the address of network {self.name} must be like 198.18.1.1/26: {error}"
            ) from None
        if "/" not in self.address or found.ip not in list(found.network.hosts())[:65536]:
            raise InvalidInput(
                f"the address of network {self.name} must be a host's, with a prefix: {self.address!r}"
            )
        return found


def to_xml(spec: NetworkSpec) -> str:
    """The network's XML for libvirt; InvalidInput when an attribute cannot be used."""
    root = Element("network")
    tree.add(root, "name", tree.name_of_thing("a network", spec.name))
    tree.label(root, spec.stack)
    if not BRIDGE.fullmatch(spec.bridge):
        raise InvalidInput(f"a bridge's name has 1 to 15 letters, digits and _.-, unlike {spec.bridge!r}")
    tree.add(root, "bridge", name=spec.bridge, stp="off", delay="0")
    if not spec.isolated:
        tree.add(root, "forward", mode="nat")
    tree.add(root, "dns", enable="yes" if spec.dns else "no")
    own = spec.interface
    ip = tree.add(root, "ip", address=str(own.ip), prefix=str(own.network.prefixlen))
    if spec.dhcp:
        first, last = (_within(spec, address) for address in spec.dhcp)
        tree.add(tree.add(ip, "dhcp"), "range", start=first, end=last)
    return tostring(root, encoding="unicode")


def _within(spec: NetworkSpec, address: str) -> str:
    try:
        if ipaddress.IPv4Address(address) in spec.interface.network:
            return address
    except ValueError:
        pass
    raise InvalidInput(f"the DHCP address {address!r} is not in the network {spec.address}")


def from_xml(document: str) -> NetworkSpec:
    """The network of libvirt's XML."""
    root = fromstring(document)
    address = tree.attribute(root, "ip", "address")
    mask = tree.attribute(root, "ip", "prefix") or tree.attribute(root, "ip", "netmask")
    span = root.find("ip/dhcp/range")
    return NetworkSpec(
        name=root.findtext("name") or "",
        stack=tree.label_of(root),
        address=str(ipaddress.IPv4Interface(f"{address}/{mask}")) if address and mask else "",
        bridge=tree.attribute(root, "bridge", "name"),
        isolated=root.find("forward") is None,
        dns=tree.attribute(root, "dns", "enable", "yes") == "yes",
        dhcp=() if span is None else (span.get("start", ""), span.get("end", "")),
    )
