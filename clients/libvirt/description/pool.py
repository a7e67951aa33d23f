"""A pool: a directory whose files are volumes. libvirt has no metadata for it; its path shows the owner."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, fromstring, tostring

from clients.libvirt.description import tree
from machine.errors import InvalidInput


@dataclass(frozen=True)
class PoolSpec:
    """All that a pool is made from."""

    name: str
    path: str
    mode: str = "0711"  # QEMU's user may pass through and cannot list
    autostart: bool = False  # not part of the XML


def to_xml(spec: PoolSpec) -> str:
    """The pool's XML for libvirt; InvalidInput when an attribute cannot be used."""
    root = Element("pool", type="dir")
    tree.add(root, "name", tree.name_of_thing("a pool", spec.name))
    target = tree.add(root, "target")
    tree.add(target, "path", tree.path("a pool's directory", spec.path))
    tree.add(tree.add(target, "permissions"), "mode", mode_of("pool", spec.name, spec.mode))
    return tostring(root, encoding="unicode")


def from_xml(document: str) -> PoolSpec:
    """The pool of libvirt's XML."""
    root = fromstring(document)
    return PoolSpec(**tree.texts(root, name="name", path="target/path", mode="target/permissions/mode"))


def mode_of(kind: str, name: str, mode: str) -> str:
    """The file mode; InvalidInput unless it is octal digits with a leading 0."""
    if not re.fullmatch(r"0[0-7]{3}", mode):
        raise InvalidInput(f"the mode of {kind} {name} must be like 0711, not {mode!r}")
    return mode
