"""Pools: directories in which libvirt keeps volumes. Ours are those below `places.pools()`.

Out of scope: pools of other kinds (LVM, NFS), and what is in them (`volumes`).
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clients.libvirt import connection
from clients.libvirt.connection import asked, library, present, unless_gone
from clients.libvirt.description import PoolSpec, pool
from machine import places
from machine.errors import InvalidInput, VmlabError
from machine.waiting import Deadline

REFRESH_SECONDS = 20.0
PAUSE_SECONDS = 0.005


@dataclass(frozen=True)
class Found:
    """A pool as it is; its mode is the directory's own."""

    spec: PoolSpec
    running: bool

    @property
    def ours(self) -> bool:
        """Whether it is the lab's."""
        return is_ours(self.spec.path)


def create(spec: PoolSpec) -> Found:
    """Make the directory, define the pool and start it; one of ours that exists is kept with its content.

    InvalidInput when the name belongs to another owner or QEMU could not reach what is in it."""
    document = pool.to_xml(spec)
    refuse_foreign(spec)
    refuse_unreachable(spec.path)
    places.pools().mkdir(mode=0o711, parents=True, exist_ok=True)
    there = find(spec.name)
    if there is not None and there.spec.path != spec.path:
        remove(spec.name)
    with asked(f"cannot define the pool {spec.name}"):
        handle = _handle(spec.name) or connection.open().storagePoolDefineXML(document, 0)
        if not handle.isActive():
            handle.build(0)
    try:
        return update(spec)
    except VmlabError:
        remove(spec.name)
        raise


def find(name: str) -> Found | None:
    """The pool of this name, whatever its owner; None when there is none."""
    handle = _handle(name)
    return None if handle is None else _seen(handle)


def labelled() -> list[str]:
    """Names of the lab's pools."""
    with asked("cannot list the pools"):
        handles = connection.open().listAllStoragePools()
    return sorted(found.spec.name for found in map(_seen, handles) if found is not None and found.ours)


def is_ours(path: str) -> bool:
    """Whether this is a directory for a pool of the lab: one below `places.pools()`."""
    return Path(path).parent == places.pools() and Path(path).name not in ("", "..")


def refuse_foreign(spec: PoolSpec) -> None:
    """InvalidInput when its directory is not below ours, or a pool of this name has one elsewhere."""
    if not is_ours(spec.path):
        raise InvalidInput(
            f"the directory of pool {spec.name} must lie in {places.pools()}, unlike {spec.path}"
        )
    there = find(spec.name)
    if there is not None and not there.ours:
        raise InvalidInput(f"the pool {spec.name} already exists, in {there.spec.path}; it is left unchanged")


def refuse_unreachable(path: str) -> None:
    """InvalidInput when QEMU's user cannot pass through a directory on the way."""
    user, group = connection.qemu_user()
    for folder in Path(path).parents:
        if folder.is_dir() and not _passes(folder, user, group):
            raise InvalidInput(
                f"QEMU runs as user {user} and cannot pass through {folder} to the pool {path}; "
                f"chmod o+x {folder}, or set VMLAB_HOME to another place"
            )


def _passes(folder: Path, user: int, group: int) -> bool:
    status = folder.stat()
    bits = (stat.S_IXUSR, status.st_uid == user), (stat.S_IXGRP, status.st_gid == group), (stat.S_IXOTH, True)
    return user == 0 or bool(status.st_mode & next(bit for bit, holds in bits if holds))


def update(spec: PoolSpec) -> Found:
    """Start it if it does not run, and set the mode of its directory and `autostart`."""
    handle = present(_handle(spec.name), f"pool {spec.name}")
    with asked(f"cannot start the pool {spec.name}"):
        handle.setAutostart(int(spec.autostart))
        Path(spec.path).mkdir(exist_ok=True)
        Path(spec.path).chmod(int(spec.mode, 8))
        if handle.isActive():
            refresh(handle)
        else:
            handle.create(0)
    return _found(handle)


def remove(name: str) -> None:
    """Remove it with its directory; VmlabError when there are still volumes in it. A foreign pool stays."""
    there, handle = find(name), _handle(name)
    if there is None or handle is None or not there.ours:
        return
    folder = Path(there.spec.path)
    left = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    if left:
        raise VmlabError(f"the pool {name} still holds {', '.join(left)}; vmlab gc")
    unless_gone(handle.destroy)
    if folder.is_dir():
        folder.rmdir()
    unless_gone(handle.undefine)


def active(name: str) -> Any:
    """The pool's handle, started if it was not: volumes of a stopped pool cannot be seen. None when there is none."""
    handle = _handle(name)
    if handle is None:
        return None
    with asked(f"cannot start the pool {name}"):
        if not handle.isActive():
            handle.create(0)
    return handle


def refresh(handle: Any) -> None:
    """Have libvirt read the directory. It refuses while it creates a volume there, so the call is retried for a while."""
    libvirt, deadline = library(), Deadline(REFRESH_SECONDS)
    while True:
        try:
            handle.refresh(0)
            return
        except libvirt.libvirtError as error:
            busy = "asynchronous jobs" in str(error)  # libvirt has no separate code for it
            if not busy or not deadline.pause(PAUSE_SECONDS):
                raise


def _handle(name: str) -> Any:
    return connection.found(connection.open().storagePoolLookupByName, name)


def _found(handle: Any) -> Found:
    return present(_seen(handle), f"pool {handle.name()}")


def _seen(handle: Any) -> Found | None:
    """The pool as it is; None when it was removed meanwhile."""

    def look(_: str) -> Found:
        spec = pool.from_xml(handle.XMLDesc(0))
        return Found(replace(spec, autostart=bool(handle.autostart())), bool(handle.isActive()))

    found = connection.found(look, handle.name())
    if found is None:
        return None
    folder = Path(found.spec.path)
    mode = f"{stat.S_IMODE(folder.stat().st_mode):04o}" if folder.is_dir() else ""
    return replace(found, spec=replace(found.spec, mode=mode))
