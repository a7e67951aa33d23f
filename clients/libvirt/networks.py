"""Networks: create, find, start and remove bridges of libvirt's. The label in its metadata names the owner.

Out of scope: addresses of guests, which set their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clients.libvirt import connection
from clients.libvirt.connection import asked, present, unless_gone
from clients.libvirt.description import NetworkSpec, network
from machine.errors import InvalidInput, VmlabError

LINKS = Path("/sys/class/net")
STATUS = Path("/run/libvirt/network")


@dataclass(frozen=True)
class Found:
    """A network as it is."""

    spec: NetworkSpec
    running: bool


def create(spec: NetworkSpec) -> Found:
    """Define it and start it. An equal one of ours is kept, a different one is removed first; InvalidInput when the name
    or the bridge belongs to another owner. A network that does not start is removed."""
    document = network.to_xml(spec)
    refuse_foreign(spec)
    there = find(spec.name)
    if there is not None and replace(there.spec, autostart=spec.autostart) != spec:
        remove(spec.name, spec.stack)
    with asked(f"cannot define the network {spec.name}"):
        if _handle(spec.name) is None:
            connection.open().networkDefineXML(document)
    try:
        return update(spec)
    except VmlabError:
        remove(spec.name, spec.stack)
        raise


def find(name: str) -> Found | None:
    """The network of this name, whatever its owner (`spec.stack` is "" for a foreign one); None when there is none."""
    handle = _handle(name)
    return None if handle is None else _seen(handle)


def labelled(beginnings: tuple[str, ...]) -> list[tuple[str, str]]:
    """Names and stacks of the networks whose label begins with one of these."""
    specs = [found.spec for found in every()]
    return sorted((spec.name, spec.stack) for spec in specs if spec.stack.startswith(beginnings))


def every() -> list[Found]:
    """All the networks there are."""
    with asked("cannot list the networks"):
        handles = connection.open().listAllNetworks()
    return [found for found in map(_seen, handles) if found is not None]


def refuse_foreign(spec: NetworkSpec) -> None:
    """InvalidInput when the network's name is not this stack's, or its bridge is a link of something else."""
    there = find(spec.name)
    if there is not None and there.spec.stack != spec.stack:
        owner = f"the stack {there.spec.stack}" if there.spec.stack else "another user"
        raise InvalidInput(
            f"the network {spec.name} already exists and belongs to {owner}; it is left unchanged"
        )
    ours = {other.spec.bridge for other in every() if other.spec.stack == spec.stack}
    if spec.bridge not in ours and (LINKS / spec.bridge).exists():
        raise InvalidInput(f"a link named {spec.bridge} already exists; ip link show {spec.bridge}")


def update(spec: NetworkSpec) -> Found:
    """Start it if it does not run, and set `autostart`; the rest of a network cannot be changed in place."""
    handle = present(_handle(spec.name), f"network {spec.name}")
    with asked(f"cannot start the network {spec.name}"):
        handle.setAutostart(int(spec.autostart))
        if not handle.isActive():
            handle.create()
    return _found(handle)


def remove(name: str, stack: str) -> None:
    """Stop and remove it; one of another owner stays, also when no stack is named: no label reads as "" too."""
    if not stack:
        return
    there, handle = find(name), _handle(name)
    if there is not None and there.spec.stack != stack:
        return
    if handle is not None:
        unless_gone(handle.destroy)
        unless_gone(handle.undefine)
    (STATUS / f"{name}.pid").unlink(missing_ok=True)  # dnsmasq's; libvirt 9.0 leaves it and these
    for folder in (STATUS / name / "ports", STATUS / name):
        try:
            folder.rmdir()
        except OSError:
            pass


def _handle(name: str) -> Any:
    return connection.found(connection.open().networkLookupByName, name)


def _found(handle: Any) -> Found:
    return present(_seen(handle), f"network {handle.name()}")


def _seen(handle: Any) -> Found | None:
    """The network as it is; None when it was removed meanwhile."""

    def look(_: str) -> Found:
        spec = network.from_xml(handle.XMLDesc(0))
        return Found(replace(spec, autostart=bool(handle.autostart())), bool(handle.isActive()))

    return connection.found(look, handle.name())
