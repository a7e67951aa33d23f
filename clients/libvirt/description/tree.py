"""The XML tree: elements, our label in the metadata, and the rules for names and texts.

ElementTree escapes `<>&"'`; characters that XML 1.0 cannot represent are refused here, because ElementTree writes
them and libvirt then reports only "parser error". Out of scope: the schema (`domain` and its siblings).
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from clients.libvirt.connection import NAMESPACE
from machine.errors import InvalidInput

LABEL = f"{{{NAMESPACE}}}object"
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
QEMU_CAPABILITIES, QEMU_WITHOUT = f"{{{QEMU}}}capabilities", f"{{{QEMU}}}del"
NAME_BYTES = 200  # <name>.log, <name>.xml and <name>.pid are file names, of at most 255
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

ElementTree.register_namespace("vmlab", NAMESPACE)
ElementTree.register_namespace("qemu", QEMU)


def name_of_thing(what: str, name: str) -> str:
    """The name; InvalidInput when libvirt cannot use it."""
    if not name or name != name.strip() or name in (".", ".."):
        raise InvalidInput(f"{what} needs a name, not {name!r}")
    if "/" in name or _BREAKS.search(name) or _UNWRITABLE.search(name):
        raise InvalidInput(f"the name of {what} may have no slash, line break or control character: {name!r}")
    if len(name.encode()) > NAME_BYTES:
        raise InvalidInput(f"the name of {what} is longer than {NAME_BYTES} bytes: {name[:40]!r}...")
    return name


def text(what: str, value: str) -> str:
    """The text; InvalidInput when XML or a command line cannot carry it."""
    if _BREAKS.search(value) or _UNWRITABLE.search(value):
        raise InvalidInput(f"{what} may have no line break or control character: {value!r}")
    return value


def path(what: str, value: str) -> str:
    """The path; InvalidInput unless it is absolute."""
    if not text(what, value).startswith("/"):
        raise InvalidInput(f"{what} must be an absolute path, not {value!r}")
    return value


def add(parent: Element, tag: str, words: str | None = None, **attributes: str) -> Element:
    """A child, with text and attributes."""
    child = SubElement(parent, tag, attributes)
    child.text = words
    return child


def label(parent: Element, stack: str) -> None:
    """Our label: the stack that owns the object. Without one it would count as a foreign object."""
    if not stack:
        raise InvalidInput("an object of libvirt's needs the name of its stack, which is empty")
    SubElement(add(parent, "metadata"), LABEL, {"stack": text("the stack's name", stack)})


def label_of(root: Element) -> str:
    """The stack that owns it; "" for a foreign object."""
    found = root.find(f"metadata/{LABEL}")
    return "" if found is None else found.get("stack", "")


def texts(root: Element, **where: str) -> dict[str, Any]:
    """The texts of the elements at these paths, by name; "" for an element that does not exist."""
    return {name: root.findtext(path) or "" for name, path in where.items()}


def attribute(root: Element, where: str, key: str, default: str = "") -> str:
    """An attribute of the element at a path; the default when either is not there."""
    found = root.find(where)
    return default if found is None else found.get(key, default)
