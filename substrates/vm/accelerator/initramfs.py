"""An initramfs as bytes: the kernel's "newc" cpio, reproducible byte for byte.

The kernel unpacks it before its first process starts; with `init` in it nothing has to be mounted. In the order given,
inodes counted from 1, no times, owned by root. Source: the kernel's
Documentation/driver-api/early-userspace/buffer-format.rst. Out of scope: compression (unpacking costs more than it saves
at this size), hard links, and users other than root.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass

from machine.errors import InvalidInput

_MAGIC = "070701"
_TRAILER = "TRAILER!!!"
_MOST = 2**32 - 1  # every field has eight hexadecimal digits


@dataclass(frozen=True)
class Entry:
    """One file: `mode` with its type (stat.S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR) and permissions.

    `data` is a file's bytes or a link's target; `device` a node's major and minor number."""

    name: str
    data: bytes = b""
    mode: int = stat.S_IFREG | 0o644
    device: tuple[int, int] | None = None


def directory(name: str, permissions: int = 0o755) -> Entry:
    """A directory."""
    return Entry(name, mode=stat.S_IFDIR | permissions)


def program(name: str, data: bytes) -> Entry:
    """An executable file."""
    return Entry(name, data, stat.S_IFREG | 0o755)


def character_device(name: str, major: int, minor: int, permissions: int = 0o600) -> Entry:
    """A character device, such as /dev/console, which is 5, 1."""
    return Entry(name, mode=stat.S_IFCHR | permissions, device=(major, minor))


def archive(files: Iterable[Entry]) -> bytes:
    """The archive, in this order, so a directory comes before its entries; InvalidInput for an entry the kernel would skip."""
    found = bytearray()
    seen: set[str] = set()
    for inode, entry in enumerate(files, 1):
        _check(entry, seen)
        found += _record(entry, inode)
        seen.add(entry.name)
    found += _record(Entry(_TRAILER, mode=0), 0)
    return bytes(found + b"\0" * (-len(found) % 512))


def _check(entry: Entry, seen: set[str]) -> None:
    """The kernel silently skips what it cannot create, so it is checked here."""
    name = entry.name
    if not name or name.startswith("/") or "\0" in name or ".." in name.split("/") or name == _TRAILER:
        raise InvalidInput(f"{name!r} is not a file name for an initramfs: it must be relative, without '..'")
    if name in seen:
        raise InvalidInput(f"{name!r} is twice in the initramfs")
    folder = name.rpartition("/")[0]
    if folder and folder not in seen:
        raise InvalidInput(f"{name!r} comes before its directory {folder!r} in the initramfs")
    is_node = stat.S_ISCHR(entry.mode) or stat.S_ISBLK(entry.mode)
    if not stat.S_IFMT(entry.mode) or is_node != (entry.device is not None):
        raise InvalidInput(
            f"{name!r}: the mode {entry.mode:#o} does not fit: it has a type, and a device has numbers"
        )


def _record(entry: Entry, inode: int) -> bytes:
    name = entry.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    major, minor = entry.device or (0, 0)
    # inode, mode, uid, gid, links, mtime, size, device of the file system (2), of the node (2), name's length, checksum
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, major, minor, len(name), 0)
    if max(fields) > _MOST:
        raise InvalidInput(f"{entry.name!r} is too large for an initramfs: {len(entry.data)} bytes")
    header = _MAGIC.encode() + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
