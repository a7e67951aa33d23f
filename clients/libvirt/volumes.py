"""Volumes: files of our pools. libvirt has no metadata for them; the pool's path shows the owner.

A volume with content is finished by its first piece, which is written last. One that a killed create left therefore
begins with zeros, and is recognised by that. Out of scope: snapshots, shrinking, and the file system on a volume.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clients.libvirt import connection, content, domains, pools
from clients.libvirt.connection import asked, library, present, unless_gone
from clients.libvirt.description import VolumeSpec, volume
from machine.errors import InvalidInput


@dataclass(frozen=True)
class Found:
    """A volume as it is; `blank` when it begins with nothing but zeros."""

    spec: VolumeSpec
    path: str
    blank: bool


def create(spec: VolumeSpec, files: Mapping[str, str] | None = None, copy_of: str = "") -> Found:
    """Create it with an archive of files, with a template's content, over a backing file, or empty.

    A finished one of ours is kept if it has the same spec and nothing is to be written into it: it may hold data of a
    pool whose definition was lost. Anything else under the name is removed first."""
    spec, archive = planned(spec, files, copy_of)
    document = volume.to_xml(spec, connection.qemu_user())
    refuse_foreign(spec)
    there = find(spec.name, spec.pool)
    if there is not None:
        if archive is None and there.spec == spec and not (copy_of and there.blank):
            return there
        remove(spec.name, spec.pool)
    api = connection.open()
    with asked(f"cannot make the volume {spec.name}"):
        made = _pool(spec.pool).createXML(document, 0)
        for piece in _pieces(archive, copy_of):
            content.send(api, made, piece)
    return _found(made, spec.pool)


def planned(
    spec: VolumeSpec, files: Mapping[str, str] | None, copy_of: str
) -> tuple[VolumeSpec, bytes | None]:
    """The spec with its final capacity, and the archive that will be written; InvalidInput when they do not fit."""
    if (files is not None or copy_of) and (
        spec.format != "raw" or spec.backing or (files is not None and copy_of)
    ):
        raise InvalidInput(
            f"the volume {spec.name} has files, or is a copy, or has a backing file, and only the last is qcow2"
        )
    archive = None if files is None else content.archive(files)
    template = copy_of or spec.backing
    if template and not Path(template).is_file():
        raise InvalidInput(f"the volume {spec.name} needs the file {template}, which does not exist")
    if copy_of and content.is_blank(Path(copy_of)):
        raise InvalidInput(
            f"the volume {spec.name} cannot be a copy of {copy_of}: that begins with nothing but zeros"
        )
    if spec.backing:
        spec = replace(spec, backing_format=spec.backing_format or "raw")
    needed = len(archive or b"") or (Path(template).stat().st_size if template else 0)
    if not spec.capacity_bytes and (not needed or spec.backing_format == "qcow2"):
        raise InvalidInput(f"the volume {spec.name} needs a capacity")
    if 0 < spec.capacity_bytes < needed and not spec.backing:
        raise InvalidInput(
            f"the volume {spec.name} has {spec.capacity_bytes} bytes; its content needs {needed}"
        )
    return replace(spec, capacity_bytes=spec.capacity_bytes or needed), archive


def _pieces(archive: bytes | None, copy_of: str) -> Iterator[content.Piece]:
    if archive is not None:
        return content.pieces(archive)
    return content.pieces_of(Path(copy_of)) if copy_of else iter(())


def find(name: str, pool: str) -> Found | None:
    """The volume of this name in a pool of ours; None when there is none."""
    handle = _handle(name, pool)
    return None if handle is None else _found(handle, pool)


def refuse_foreign(spec: VolumeSpec) -> None:
    """InvalidInput when its pool is a foreign one."""
    there = pools.find(spec.pool)
    if there is not None and not there.ours:
        raise InvalidInput(f"the pool {spec.pool} is not the lab's; it is left unchanged")


def fingerprint(name: str, pool: str) -> str:
    """SHA-256 of its whole content; "" when it does not exist."""
    handle = _handle(name, pool)
    if handle is None:
        return ""
    with asked(f"cannot read the volume {name}"):
        return content.fingerprint(content.receive(connection.open(), handle, 0))


def labelled() -> list[tuple[str, str]]:
    """Pools and names of the volumes in the lab's pools."""
    found = []
    for pool in pools.labelled():
        handle = _pool(pool)
        with asked(f"cannot list the volumes of {pool}"):
            pools.refresh(handle)
            found += [(pool, volume.name()) for volume in handle.listAllVolumes()]
    return sorted(found)


def grow(name: str, pool: str, capacity_bytes: int) -> Found:
    """Make it larger, also under a running guest. A file system on it keeps its size."""
    handle = present(_handle(name, pool), f"volume {name}")
    with asked(f"cannot make the volume {name} larger"):
        user = next((d for d in domains.every() if d.running and _uses(d, handle.path())), None)
        if user is None:
            handle.resize(capacity_bytes, 0)
        else:
            guest = connection.open().lookupByName(user.spec.name)
            guest.blockResize(handle.path(), capacity_bytes, library().VIR_DOMAIN_BLOCK_RESIZE_BYTES)
            pools.refresh(_pool(pool))
    return _found(_handle(name, pool), pool)


def _uses(domain: domains.Found, path: str) -> bool:
    return any(disk.path == path for disk in domain.spec.disks)


def remove(name: str, pool: str) -> None:
    """Remove it; one that does not exist is removed already, and a foreign one stays."""
    handle = _handle(name, pool)
    if handle is not None:
        unless_gone(handle.delete, 0)


def _pool(name: str) -> Any:
    return present(pools.active(name), f"pool {name}")


def _handle(name: str, pool: str) -> Any:
    there = pools.find(pool)
    if there is None or not there.ours or not Path(there.spec.path).is_dir():
        return None
    with asked(f"cannot list the volumes of {pool}"):
        handle = pools.active(pool)
        found = connection.found(handle.storageVolLookupByName, name)
        if (
            found is None or not Path(found.path()).exists()
        ):  # libvirt sees changes by others after a refresh only
            pools.refresh(handle)
            found = connection.found(handle.storageVolLookupByName, name)
        return found


def _found(handle: Any, pool: str) -> Found:
    with asked("cannot read a volume"):
        spec = volume.from_xml(handle.XMLDesc(0), pool)
        head = content.receive(connection.open(), handle, content.HEAD_BYTES)
    return Found(spec, str(handle.path()), not any(head))
