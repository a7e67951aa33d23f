"""A volume: one file of a pool, empty, over a backing file, or with content that is written when it is created."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element, fromstring, tostring

from clients.libvirt.description import tree
from clients.libvirt.description.devices import refuse_format
from clients.libvirt.description.pool import mode_of
from machine.errors import InvalidInput


@dataclass(frozen=True)
class VolumeSpec:
    """Everything a volume is created from, except its content."""

    name: str
    pool: str
    capacity_bytes: int
    format: str = "raw"
    backing: str = ""
    backing_format: str = ""  # "" is raw, if there is a backing file
    mode: str = "0600"


def to_xml(spec: VolumeSpec, user: tuple[int, int] = (0, 0)) -> str:
    """The volume's XML for libvirt, owned by this user and group; InvalidInput when an attribute cannot be used."""
    refuse_format("volume", spec.name, spec)
    if spec.capacity_bytes <= 0:
        raise InvalidInput(
            f"volume {spec.name} must have a capacity above 0 bytes, not {spec.capacity_bytes}"
        )
    root = Element("volume", type="file")
    tree.add(root, "name", tree.name_of_thing("a volume", spec.name))
    tree.add(root, "capacity", str(spec.capacity_bytes), unit="bytes")
    tree.add(root, "allocation", "0", unit="bytes")
    target = tree.add(root, "target")
    tree.add(target, "format", type=spec.format)
    permissions = tree.add(target, "permissions")
    tree.add(permissions, "mode", mode_of("volume", spec.name, spec.mode))
    tree.add(permissions, "owner", str(user[0]))
    tree.add(permissions, "group", str(user[1]))
    if spec.backing:
        below = tree.add(root, "backingStore")
        tree.add(below, "path", tree.path("a backing file", spec.backing))
        tree.add(below, "format", type=spec.backing_format or "raw")
    return tostring(root, encoding="unicode")


def from_xml(document: str, pool: str) -> VolumeSpec:
    """The volume of libvirt's XML."""
    root = fromstring(document)
    backing = root.findtext("backingStore/path") or ""
    return VolumeSpec(
        **tree.texts(root, name="name", mode="target/permissions/mode"),
        pool=pool,
        capacity_bytes=int(root.findtext("capacity") or 0),
        format=tree.attribute(root, "target/format", "type"),
        backing=backing,
        backing_format=tree.attribute(root, "backingStore/format", "type") if backing else "",
    )
