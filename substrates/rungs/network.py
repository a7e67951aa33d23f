"""The network namespace: a veth pair from it into a bridge of the lab's, with an address in 198.18.2.0/24.

Only this machine reaches it, and it reaches only this machine: there is no route out. The bridge is shared by all copies,
made with the first and removed after the last. Out of scope: IPv6, NAT, its own firewall.
"""

from __future__ import annotations

import hashlib
import ipaddress
from pathlib import Path

from machine import addresses, places
from machine.commands import run
from machine.errors import InvalidInput, VmlabError
from substrates.rungs.linux import CLONE_NEWNET
from substrates.rungs.rung import Plan, Rung, Setting, Stage

BRIDGE = "vmlab-ns"
NETWORK = ipaddress.IPv4Network(addresses.NAMESPACES)
GATEWAY = NETWORK[1]
FIRST_COPY = 100  # the stacks' own have the addresses below
LINKS = Path("/sys/class/net")
INSIDE = "eth0"
_PREFIX = "vmlab-"
_IFF_UP = 1


class Network(Rung):
    """CLONE_NEWNET, 2009."""

    name = "network"
    root = True  # the other end of the pair is in the host's network
    provides = (
        "a network namespace: its own interfaces, addresses and ports, and one link into the lab's bridge"
    )

    def apply(self, plan: Plan, setting: Setting) -> None:
        """The pair is made from outside with its far end inside; the child sees it when the supervisor is done."""
        plan.flags |= CLONE_NEWNET
        link, mac = link_of(setting.name, setting.address), mac_of(setting.address)
        plan.add(Stage.ATTACH, "veth", link, INSIDE, BRIDGE, mac)
        plan.add(Stage.JOINED, "up", "lo")
        plan.add(Stage.JOINED, "address", INSIDE, setting.address, NETWORK.prefixlen)
        plan.add(Stage.JOINED, "up", INSIDE)

    def undo(self, name: str) -> None:
        """The pair goes with the namespace; the kernel may take a moment, and a name must be free for the next."""
        for link in links_of(name):
            remove_link(link)


def link_of(name: str, address: str) -> str:
    """What the host's end of a copy's pair is called: whose it is and its address, in the 15 characters that the kernel has."""
    return f"{_owner(name)}-{address.rpartition('.')[2]}"


def mac_of(address: str) -> str:
    """The hardware address that belongs to an address, so that it is the same when the address is given again.

    What this machine has learned of the last copy with it then still holds; else requests failed for up to a minute. The
    bridge has a fixed one for the same reason: by itself it takes that of a port, and another when this has gone."""
    return "02:76:6d:6c:" + ":".join(f"{int(part):02x}" for part in address.split(".")[2:])


def links_of(name: str) -> list[str]:
    """The pairs of this copy that are there."""
    return sorted(path.name for path in LINKS.glob(f"{_owner(name)}-*"))


def refuse_taken(name: str, address: str) -> None:
    """InvalidInput when this machine has the address itself, or a pair that is there and not this copy's has it: another
    VMLAB_HOME's, for instance."""
    if holder := _holder(address):
        raise InvalidInput(f"the address {address} is taken by the interface {holder}")
    others = [path.name for path in LINKS.glob(f"{_PREFIX}?????-{address.rpartition('.')[2]}")]
    for link in others:
        if link not in links_of(name):
            raise InvalidInput(f"the address {address} is taken by the owner of the link {link}")


def _owner(name: str) -> str:
    return _PREFIX + hashlib.sha256(f"{places.run()}/{name}".encode()).hexdigest()[:5]


def copy_address(number: int) -> str:
    """The address of a slot's copy."""
    if not 0 <= number < 255 - FIRST_COPY:
        raise InvalidInput(f"slot {number} has no address in {NETWORK}; there are {255 - FIRST_COPY}")
    return str(NETWORK[FIRST_COPY + number])


def check_address(text: str) -> None:
    """InvalidInput if a stack cannot have this address."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise InvalidInput(f"address must be one of {NETWORK}, not {text!r}") from None
    if address not in list(NETWORK)[2:FIRST_COPY]:
        raise InvalidInput(f"address must be from {NETWORK[2]} to {NETWORK[FIRST_COPY - 1]}, not {text}")


def make_bridge() -> None:
    """Make the bridge, or complete one of a killed start; InvalidInput where its address is taken."""
    holder = _holder(str(GATEWAY))
    if holder not in ("", BRIDGE):
        raise InvalidInput(f"the address {GATEWAY} of the lab's bridge is taken by the interface {holder}")
    if not (LINKS / BRIDGE).exists():
        run(["ip", "link", "add", BRIDGE, "address", mac_of(str(GATEWAY)), "type", "bridge"])
    if (LINKS / BRIDGE / "address").read_text().strip() != mac_of(str(GATEWAY)):
        run(["ip", "link", "set", BRIDGE, "address", mac_of(str(GATEWAY))])
    if not holder:
        run(["ip", "address", "add", f"{GATEWAY}/{NETWORK.prefixlen}", "dev", BRIDGE])
    if not int((LINKS / BRIDGE / "flags").read_text(), 16) & _IFF_UP:
        run(["ip", "link", "set", BRIDGE, "up"])


def remove_bridge() -> None:
    """Remove the bridge; what is still on it stays where it is, so only when nothing is."""
    if is_idle():
        remove_link(BRIDGE)


def is_idle() -> bool:
    """Whether the bridge is there with nothing plugged into it."""
    return (LINKS / BRIDGE).exists() and not list((LINKS / BRIDGE / "brif").glob("*"))


def remove_link(name: str) -> None:
    """Remove a pair by its host's end; fine if it has gone meanwhile."""
    if (LINKS / name).exists():
        try:
            run(["ip", "link", "delete", name])
        except VmlabError:
            if (LINKS / name).exists():
                raise


def _holder(address: str) -> str:
    rows = run(["ip", "-brief", "-4", "address", "show"]).splitlines()
    found = (row.split() for row in rows)
    return next((row[0] for row in found if any(word.split("/")[0] == address for word in row[2:])), "")
