"""The devices of a domain: disks, links, console, random numbers, balloon.

Virtio only, no graphics, no USB, no sound. Out of scope: hot plugging.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from clients.libvirt.description import tree
from machine.errors import InvalidInput

FORMATS = ("raw", "qcow2")
FIRST_SLOT, MOST = 2, 28  # 0 is the host's bridge, 1 is reserved for graphics, 31 belongs to the chipset


@dataclass(frozen=True)
class DiskSpec:
    """A virtio disk in a file; `backing` is the file below a qcow2 overlay."""

    path: str
    format: str = "raw"
    read_only: bool = False
    target: str = ""  # "" for the next of vda, vdb, ...
    backing: str = ""
    backing_format: str = ""  # "" is raw, if there is a backing file
    cache: str = ""  # "" leaves it to libvirt


@dataclass(frozen=True)
class InterfaceSpec:
    """A virtio link to one of libvirt's networks."""

    network: str
    mac: str


def refuse_format(what: str, name: str, spec: Any) -> None:
    """InvalidInput when a disk or volume has a format that guests cannot use, or a backing file that it cannot have."""
    if spec.format not in FORMATS or (spec.backing and spec.format != "qcow2"):
        raise InvalidInput(f"{what} {name} must be raw or qcow2, and only qcow2 can have a backing file")


def add(
    root: Element,
    disks: Iterable[DiskSpec],
    interfaces: Iterable[InterfaceSpec],
    *,
    console: str,
    balloon: bool,
    on_root_bus: bool,
) -> None:
    """Write the devices of a domain; `console` is the file of ttyS0, "" for none."""
    devices = tree.add(root, "devices")
    for disk in disks:
        _disk(devices, disk)
    tree.add(devices, "controller", type="usb", model="none")
    for interface in interfaces:
        _interface(devices, interface)
    if console:
        serial = tree.add(devices, "serial", type="file")
        tree.add(serial, "source", path=tree.path("the console", console), append="off")
        tree.add(serial, "target", port="0")
    random = tree.add(devices, "rng", model="virtio")
    tree.add(random, "backend", "/dev/urandom", model="random")
    # A balloon only where memory may be changed below the maximum; without one QEMU has one device less to set up.
    tree.add(devices, "memballoon", model="virtio" if balloon else "none")
    if on_root_bus:
        _put_on_root_bus(devices)


def _put_on_root_bus(devices: Element) -> None:
    """Each virtio device directly on PCI Express's first bus. libvirt adds a port for each, for hot plugging; a guest that
    scans all of them reached its first process 0.1 s later (emulated, 2.2 s to the first answer)."""
    virtio = [
        device
        for device in devices
        if device.tag in ("disk", "interface", "rng") or device.get("model") == "virtio"
    ]
    for slot, device in enumerate(virtio[:MOST], FIRST_SLOT):
        tree.add(
            device, "address", type="pci", domain="0x0000", bus="0x00", slot=f"0x{slot:02x}", function="0x0"
        )


def _disk(devices: Element, spec: DiskSpec) -> None:
    refuse_format("disk", spec.path, spec)
    disk = tree.add(devices, "disk", type="file", device="disk")
    driver = {"name": "qemu", "type": spec.format}
    tree.add(disk, "driver", **driver, **({"cache": spec.cache} if spec.cache else {}))
    tree.add(disk, "source", file=tree.path("a disk", spec.path))
    if spec.backing:
        below = tree.add(disk, "backingStore", type="file")
        tree.add(below, "format", type=spec.backing_format)
        tree.add(below, "source", file=tree.path("a backing file", spec.backing))
        tree.add(below, "backingStore")
    else:
        tree.add(disk, "backingStore")
    tree.add(disk, "target", dev=tree.text("the target", spec.target), bus="virtio")
    if spec.read_only:
        tree.add(disk, "readonly")


def _interface(devices: Element, spec: InterfaceSpec) -> None:
    link = tree.add(devices, "interface", type="network")
    tree.add(link, "mac", address=tree.text("the MAC", spec.mac))
    tree.add(link, "source", network=tree.text("the network", spec.network))
    tree.add(link, "model", type="virtio")
    tree.add(link, "rom", enabled="no")  # no guest of ours boots from the network


# -- read back


def disks_of(root: Element) -> tuple[DiskSpec, ...]:
    """The disks of a domain's XML."""
    return tuple(map(_disk_of, root.findall("devices/disk")))


def interfaces_of(root: Element) -> tuple[InterfaceSpec, ...]:
    """The links of a domain's XML."""
    return tuple(
        InterfaceSpec(tree.attribute(link, "source", "network"), tree.attribute(link, "mac", "address"))
        for link in root.findall("devices/interface")
    )


def _disk_of(disk: Element) -> DiskSpec:
    backing = tree.attribute(disk, "backingStore/source", "file")
    return DiskSpec(
        path=tree.attribute(disk, "source", "file"),
        format=tree.attribute(disk, "driver", "type"),
        read_only=disk.find("readonly") is not None,
        target=tree.attribute(disk, "target", "dev"),
        backing=backing,
        backing_format=tree.attribute(disk, "backingStore/format", "type") if backing else "",
        cache=tree.attribute(disk, "driver", "cache"),
    )
