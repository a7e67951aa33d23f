"""Domains: create, find, start, stop and remove guests.

A domain is defined before it is started, so that one whose QEMU was killed still exists, shut off, to be started again.
The label in its metadata names the owner; a domain of another owner is never changed.
Out of scope: changing a running domain (`sizes`), and what a guest prints (`substrates/vm/console.py`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clients.libvirt import connection
from clients.libvirt.connection import asked, library, present, unless_gone
from clients.libvirt.description import DomainSpec, domain
from machine import places, processes
from machine.errors import InvalidInput, VmlabError
from machine.waiting import Deadline

GONE_SECONDS = 20.0
RETRY_SECONDS = 1.0  # a guest that still boots misses an ACPI shutdown request
PAUSE_SECONDS = 0.01
LOGS = Path("/var/log/libvirt/qemu")
ROTATED = 10  # files that virtlogd keeps of a console that grew past 2 MiB


@dataclass(frozen=True)
class Found:
    """A domain as it is: `spec` from its live XML while it runs, else from its definition."""

    spec: DomainSpec
    running: bool

    @property
    def pid(self) -> int:
        """QEMU's process; 0 when there is none."""
        words = ("qemu-system-x86_64", "-uuid", self.spec.uuid)
        return next(iter(processes.by_command(*words)), 0) if self.running else 0


# -- create and find


def create(spec: DomainSpec, *, running: bool = True) -> Found:
    """Define it, and start it. What an interrupted create of ours left under the name is removed first; InvalidInput when
    the name belongs to another owner. A domain that does not start is removed."""
    document = domain.to_xml(spec, connection.qemu_user())
    refuse_foreign(spec.name, spec.stack)
    remove(spec.name, spec.stack)
    api = connection.open()
    with asked(f"cannot define the domain {spec.name}"):
        made = api.defineXML(document)
        made.setAutostart(int(spec.autostart))
    try:
        if running:
            start(spec.name)
    except VmlabError:
        remove(spec.name, spec.stack)
        raise
    return read(made)


def find(name: str) -> Found | None:
    """The domain of this name, whatever its owner (`spec.stack` is "" for a foreign one); None when there is none."""
    handle = _handle(name)
    return None if handle is None else _seen(handle)


def runs(name: str) -> bool:
    """Whether a domain of this name runs."""
    there = find(name)
    return there is not None and there.running


def labelled(beginnings: tuple[str, ...]) -> list[tuple[str, str]]:
    """Names and stacks of the domains whose label begins with one of these."""
    specs = [found.spec for found in every()]
    return sorted((spec.name, spec.stack) for spec in specs if spec.stack.startswith(beginnings))


def every() -> list[Found]:
    """All domains."""
    with asked("cannot list the domains"):
        handles = connection.open().listAllDomains()
    return [found for found in map(_seen, handles) if found is not None]


def refuse_foreign(name: str, stack: str) -> None:
    """InvalidInput when a domain of this name does not belong to this stack."""
    there = find(name)
    if there is not None and there.spec.stack != stack:
        owner = f"the stack {there.spec.stack}" if there.spec.stack else "another user"
        raise InvalidInput(f"the domain {name} already exists and belongs to {owner}; it is left unchanged")


def owned(spec: DomainSpec) -> Any:
    """The handle (a virDomain) of this stack's domain; VmlabError when it does not exist or has another owner."""
    handle = _handle(spec.name)
    if handle is not None and read(handle).spec.stack != spec.stack:
        handle = None
    return present(handle, f"domain {spec.name}")


def read(handle: Any) -> Found:
    """The domain of a handle; VmlabError when it does not exist any more."""
    return present(_seen(handle), f"domain {handle.name()}")


# -- start, stop, remove


def start(name: str) -> None:
    """Start it if it does not run; a saved state of an earlier run is not resumed."""
    libvirt = library()
    with asked(f"cannot start the domain {name}"):
        handle = connection.open().lookupByName(name)
        if handle.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
            handle.resume()
        elif not handle.isActive():
            if console := domain.from_xml(handle.XMLDesc(0)).console:
                Path(console).parent.mkdir(parents=True, exist_ok=True)  # virtlogd makes the file
            handle.createWithFlags(libvirt.VIR_DOMAIN_START_FORCE_BOOT)


def stop(name: str, seconds: float) -> bool:
    """Send ACPI shutdown requests for so long, then terminate it by force; whether it shut down by itself."""
    handle = _handle(name)
    if handle is None or not _is_active(handle):
        return True
    request, deadline = library().VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN, Deadline(seconds)
    while not deadline.passed and _is_active(handle):
        # Refused by a guest that is ending at this moment, which libvirt calls active until QEMU has closed its socket.
        unless_gone(handle.shutdownFlags, request)
        _ends(handle, min(deadline.left(), RETRY_SECONDS))
    clean = not _is_active(handle)
    if not clean:
        unless_gone(handle.destroy)
    if not _ends(handle, GONE_SECONDS):
        raise VmlabError(f"the domain {name} does not end; its QEMU is process {read(handle).pid}")
    return clean


def remove(name: str, stack: str, stop_seconds: float = 0.0) -> None:
    """Stop and remove it with its console and its log; returns when it is gone. A domain of another owner stays, also
    when no stack is named: a foreign domain has no label, which reads as "" too."""
    if not stack:
        return
    there, handle = find(name), _handle(name)
    if there is None or handle is None or there.spec.stack != stack:
        return
    libvirt, pid = library(), there.pid
    stop(name, stop_seconds)
    unless_gone(
        handle.undefineFlags,
        libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
    )
    gone = Deadline(GONE_SECONDS).until(
        lambda: _handle(name) is None and not _lives(pid, there.spec.uuid), PAUSE_SECONDS
    )
    if not gone:
        raise VmlabError(f"the domain {name} still exists after it was removed; virsh domstate {name}")
    forget(name, there.spec.console)


def forget(name: str, console: str) -> None:
    """Remove QEMU's log and the console file of a domain that is gone, with what virtlogd rotated, and our own folder
    of consoles when it is empty."""
    for log in (LOGS / f"{name}.log", *([Path(console)] if console else [])):
        for file in [log, *(log.with_name(f"{log.name}.{number}") for number in range(ROTATED))]:
            file.unlink(missing_ok=True)
        if log.is_relative_to(places.run()) and log.parent != places.run():
            with suppress(OSError):  # not empty
                log.parent.rmdir()


# -- inside


def _handle(name: str) -> Any:
    return connection.found(connection.open().lookupByName, name)


def _seen(handle: Any) -> Found | None:
    """The domain as it is; None when it was removed meanwhile."""
    libvirt = library()

    def look(_: str) -> Found:
        spec = domain.from_xml(handle.XMLDesc(0))
        running = handle.state()[0] in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED)
        return Found(replace(spec, autostart=bool(handle.autostart())), running)

    return connection.found(look, handle.name())


def _is_active(handle: Any) -> bool:
    return bool(connection.found(lambda _: handle.isActive(), handle.name()))


def _ends(handle: Any, seconds: float) -> bool:
    return Deadline(seconds).until(lambda: not _is_active(handle), PAUSE_SECONDS)


def _lives(pid: int, uuid: str) -> bool:
    return pid in processes.by_command("qemu-system-x86_64", "-uuid", uuid) if pid else False
