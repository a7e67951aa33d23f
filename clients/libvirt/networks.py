"""Networks: create, find, start and remove bridges of libvirt's. The label in its metadata names the owner.

Out of scope: addresses of guests, which set their own.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from clients.libvirt import connection, objects
from clients.libvirt.connection import asked, present, unless_gone
from clients.libvirt.description import NetworkSpec, network
from machine.errors import InvalidInput, VmlabError

LINKS = Path("/sys/class/net")
STATUS = Path("/run/libvirt/network")


class Found(objects.Found[NetworkSpec]):
    """A network as it is."""


KIND = objects.Kind("network", "networkLookupByName", "listAllNetworks", Found, network.from_xml)
find, every, labelled = KIND.find, KIND.every, KIND.labelled


def create(spec: NetworkSpec) -> Found:
    """Define it and start it. An equal one of ours is kept, a different one is removed first; InvalidInput when the name
    or the bridge belongs to another owner. A network that does not start is removed."""
    document = network.to_xml(spec)
    refuse_foreign(spec)
    there = find(spec.name)
    if there is not None and replace(there.spec, autostart=spec.autostart) != spec:
        remove(spec.name, spec.stack)
    with asked(f"cannot define the network {spec.name}"):
        if KIND.handle(spec.name) is None:
            connection.open().networkDefineXML(document)
    try:
        return update(spec)
    except VmlabError:
        remove(spec.name, spec.stack)
        raise


def refuse_foreign(spec: NetworkSpec) -> None:
    """InvalidInput when the network's name is not this stack's, or its bridge is a link of something else."""
    KIND.refuse_foreign(spec.name, spec.stack)
    ours = {other.spec.bridge for other in every() if other.spec.stack == spec.stack}
    if spec.bridge not in ours and (LINKS / spec.bridge).exists():
        raise InvalidInput(f"a link named {spec.bridge} already exists; ip link show {spec.bridge}")


def update(spec: NetworkSpec) -> Found:
    """Start it if it does not run, and set `autostart`; the rest of a network cannot be changed in place."""
    handle = present(KIND.handle(spec.name), f"network {spec.name}")
    with asked(f"cannot start the network {spec.name}"):
        handle.setAutostart(int(spec.autostart))
        if not handle.isActive():
            handle.create()
    return KIND.read(handle)


def remove(name: str, stack: str) -> None:
    """Stop and remove it; one of another owner stays, also when no stack is named: no label reads as "" too."""
    if not stack:
        return
    there, handle = find(name), KIND.handle(name)
    if there is not None and there.spec.stack != stack:
        return
    if handle is not None:
        unless_gone(handle.destroy)
        unless_gone(handle.undefine)
    (STATUS / f"{name}.pid").unlink(missing_ok=True)  # dnsmasq's; libvirt 9.0 leaves it and these
    for folder in (STATUS / name / "ports", STATUS / name):
        with suppress(OSError):
            folder.rmdir()
