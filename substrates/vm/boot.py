"""Booting one copy: its domain, its disks, and the milestones on the way to the first valid answer.

A copy is the stack's own domain with another name, address, MAC, disk layer and configuration disk, and a fresh data
disk. All milestones are stamped on the host: a guest's are its lines on the serial console.
Out of scope: removing a copy, also one whose boot failed (`substrate`).
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass, replace
from pathlib import Path

from clients.libvirt import domains
from clients.libvirt.description import DiskSpec, DomainSpec, InterfaceSpec
from machine.commands import run
from machine.errors import VmlabError
from substrates.contract import Boot, Request, Slot, never_answered
from substrates.vm import disks
from substrates.vm.console import Watch

FIRST_COPY, MOST_COPIES = 10, 50  # addresses in the network: .1 is the bridge, .2 the stack's own guest
CONSOLE_LINES = 20


@dataclass(frozen=True)
class Definition:
    """Everything that one copy is booted from."""

    spec: DomainSpec
    network: ipaddress.IPv4Interface  # the bridge's address in its network
    bridge: str
    port: int  # inside the guest
    files: dict[str, str]  # of the configuration disk; may hold the secret


@dataclass(frozen=True)
class Handle:
    """A copy that was started."""

    name: str
    label: str
    address: str
    bridge: str
    url: str
    folder: Path


Plan = tuple[Handle, DomainSpec, dict[str, str]]  # before its boot: with the files of its configuration disk


def plan(definition: Definition, slot: Slot, request: Request) -> Plan:
    """The copy of this slot: what differs from the stack's own domain, and what is shared with it."""
    network = definition.network.network
    address = str(network[FIRST_COPY + slot.number % MOST_COPIES])
    folder, url = disks.copies() / slot.name, f"http://{address}:{definition.port}"
    copy = Handle(slot.name, f"boot/{slot.name}", address, definition.bridge, url, folder)
    own = (
        replace(definition.spec.disks[0], path=str(folder / "root.qcow2")),
        DiskSpec(str(folder / "data.raw")),
        DiskSpec(str(folder / "config.raw")),
    )
    link = InterfaceSpec(definition.spec.interfaces[0].network, mac_of(address))
    spec = replace(
        definition.spec, name=copy.name, stack=copy.label, uuid="", autostart=False, disks=own, interfaces=(link,),
        console=str(folder / "console"),
    )  # fmt: skip
    files = {
        **definition.files,
        "address": f"{address}/{network.prefixlen}\n",
        "hostname": f"{copy.name}\n",
        "environment": f"{definition.files.get('environment', '')}NONCE={request.nonce}\n",
    }
    return copy, spec, files


def start(definition: Definition, planned: Plan, slot: Slot, request: Request) -> Boot:
    """Create the disks, define, start, and wait for the first answer.

    `accepted` is when libvirt has the domain, `sandboxed` when QEMU runs. NeverAnswered when the deadline has passed,
    and as soon as QEMU has exited."""
    copy, spec, files = planned
    disks.make_folder(copy.folder)
    know_neighbour(copy, spec.interfaces[0].mac)
    with Watch(Path(spec.console)) as watch:
        stamps = {"requested": time.monotonic_ns()}
        disks.make(definition.spec.disks[0].backing, spec.disks, files)
        domains.create(spec, running=False)
        stamps["accepted"] = time.monotonic_ns()
        error = _started(copy.name)
        stamps["sandboxed"] = time.monotonic_ns()
        deadline = 0 if error else stamps["requested"] + int(request.seconds * 1e9)
        url = f"{copy.url}{request.path}"
        answer = watch.first_answer(url, deadline, request.expected, lambda: domains.runs(copy.name))
        if answer is not None and request.echoed:
            watch.catch_up()
        stamps |= watch.stamps_ns
    if answer is None:
        raise never_answered(slot, request, stamps, [*watch.lines()[-CONSOLE_LINES:], *error])
    return Boot(copy, {**stamps, "answered": answer.at_ns}, url=copy.url, checks_seconds=watch.account())


def mac_of(address: str) -> str:
    """A MAC that follows from the address, so that it is known before the first packet."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed[1:])


def know_neighbour(copy: Handle, mac: str) -> None:
    """Enter the MAC. Otherwise the first packet requires an ARP request, which no guest answers yet, and the kernel
    retries a second later."""
    run(["ip", "neigh", "replace", copy.address, "lladdr", mac, "dev", copy.bridge, "nud", "permanent"])


def forget_neighbour(copy: Handle) -> None:
    """Remove that entry; it goes with the bridge where that is gone."""
    if Path("/sys/class/net", copy.bridge).exists():
        run(["ip", "neigh", "flush", "to", copy.address, "dev", copy.bridge, "nud", "permanent"])


def _started(name: str) -> list[str]:
    """Start it; the lines of libvirt's error, which follow the guest's own in the report."""
    try:
        domains.start(name)
    except VmlabError as error:
        return str(error).splitlines()
    return []
