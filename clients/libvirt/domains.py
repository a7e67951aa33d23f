"""Domains: make, find, change, stop and take away guests.

A domain is defined before it is started, so that one whose QEMU was killed is still there, shut off, to be started again.
Whose it is says the label in its metadata; one of somebody else is never touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clients.libvirt import connection, console
from clients.libvirt.connection import asked, unless_gone
from clients.libvirt.description import DomainSpec, domain
from machine import processes
from machine.errors import InvalidInput, VmlabError
from machine.waiting import answer_seconds

GONE_SECONDS = 20.0
LIVE_SECONDS = 3.0  # for a guest to give memory back, or to take it
PRESS_AGAIN_SECONDS = 1.0  # a guest that still boots misses the power button
PAUSE_SECONDS = 0.01
LOGS = Path("/var/log/libvirt/qemu")


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


# -- make and find


def create(spec: DomainSpec, *, running: bool = True) -> Found:
    """Define it, and start it. What an interrupted create of ours left under the name is taken away first; InvalidInput when
    the name is somebody else's. A domain that does not start is not left behind."""
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
    return _found(made)


def find(name: str) -> Found | None:
    """The domain of this name, whoever's it is (`spec.stack` is "" for somebody else's); None when there is none."""
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
    """All the domains there are."""
    with asked("cannot list the domains"):
        handles = connection.open().listAllDomains()
    return [found for found in map(_seen, handles) if found is not None]


def refuse_foreign(name: str, stack: str) -> None:
    """InvalidInput when a domain of this name is not this stack's."""
    there = find(name)
    if there is not None and there.spec.stack != stack:
        owner = f"the stack {there.spec.stack}" if there.spec.stack else "somebody else"
        raise InvalidInput(f"the domain {name} is there already and belongs to {owner}; it stays as it is")


# -- change


def update(spec: DomainSpec, *, stop_seconds: float) -> Found:
    """Memory and processors within their maximum, `cpus` and `autostart`: on the definition, and on the running guest.

    Where the guest does not play along (it has no balloon driver, it does not let go of a processor) it is
    shut down and started again. VmlabError when it has another size even then."""
    handle = _owned(spec)
    with asked(f"cannot change the domain {spec.name}"):
        defined = replace(spec, uuid=handle.UUIDString())
        connection.open().defineXML(domain.to_xml(defined, connection.qemu_user()))
        handle.setAutostart(int(spec.autostart))
    now = _found(handle)
    if now.running and not _live(handle, spec):
        stop(spec.name, stop_seconds)
        start(spec.name)
        settle_size(spec, answer_seconds())
    return _found(handle)


def settle_size(spec: DomainSpec, seconds: float) -> None:
    """Wait until a guest with less than its maximum of memory has given the rest back; VmlabError when it does not."""
    handle = _owned(spec)
    if not _comes_to_size(handle, spec, seconds):
        raise VmlabError(_misfit(handle, spec))


def _live(handle: Any, spec: DomainSpec) -> bool:
    """Try it on the running guest; whether it came to that."""
    import libvirt

    now, live = _found(handle).spec, libvirt.VIR_DOMAIN_AFFECT_LIVE
    quota = {
        "vcpu_period": domain.PERIOD_MICROSECONDS,
        "vcpu_quota": domain.quota_microseconds(spec),
    }
    try:
        if now.memory_bytes != spec.memory_bytes:
            handle.setMemoryFlags(spec.memory_bytes // 1024, live)
        if now.vcpus != spec.vcpus:
            handle.setVcpusFlags(spec.vcpus, live)
        if domain.quota_microseconds(now) != quota["vcpu_quota"]:
            handle.setSchedulerParametersFlags(quota, live)
    except libvirt.libvirtError:
        return False
    return _comes_to_size(handle, spec)


def _comes_to_size(handle: Any, spec: DomainSpec, seconds: float = LIVE_SECONDS) -> bool:
    return _until(lambda: _size(_found(handle).spec) == _size(spec), seconds)


def _size(spec: DomainSpec) -> tuple[int, int, int]:
    return spec.memory_bytes, spec.vcpus, domain.quota_microseconds(spec)


def _misfit(handle: Any, spec: DomainSpec) -> str:
    now = _found(handle).spec
    return (
        f"the guest {spec.name} uses {now.memory_bytes} bytes and {now.vcpus} processors, not {spec.memory_bytes} and "
        f"{spec.vcpus}; below the maximum it needs the module virtio_balloon: load it, or make max_memory_bytes smaller"
    )


# -- start, stop, take away


def start(name: str) -> None:
    """Start it if it does not run; what was saved of an earlier run is not resumed."""
    import libvirt

    with asked(f"cannot start the domain {name}"):
        handle = connection.open().lookupByName(name)
        state = handle.state()[0]
        if state == libvirt.VIR_DOMAIN_PAUSED:
            handle.resume()
        elif not handle.isActive():
            if there := domain.from_xml(handle.XMLDesc(0)).console:
                console.make_room(there)
            handle.createWithFlags(libvirt.VIR_DOMAIN_START_FORCE_BOOT)


def stop(name: str, seconds: float) -> bool:
    """Press the power button and wait so long, then pull the plug; whether it shut down cleanly."""
    import libvirt

    handle = _handle(name)
    if handle is None or not _is_active(handle):
        return True
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        # Not taken by a guest that is ending at this moment, which libvirt calls active until QEMU has closed its socket.
        unless_gone(handle.shutdownFlags, libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        if _until(lambda: not _is_active(handle), min(left, PRESS_AGAIN_SECONDS)):
            break
    clean = not _is_active(handle)
    if not clean:
        unless_gone(handle.destroy)
    if not _until(lambda: not _is_active(handle), GONE_SECONDS):
        raise VmlabError(f"the domain {name} does not end; its QEMU is pid {_found(handle).pid}")
    return clean


def remove(name: str, stack: str, stop_seconds: float = 0.0) -> None:
    """Stop it and take it away with its console and its log; done when it is gone. Somebody else's stays, also
    when no stack is named: what is not ours has no label, which reads as "" too."""
    if not stack:
        return
    import libvirt

    there, handle = find(name), _handle(name)
    if there is None or handle is None or there.spec.stack != stack:
        return
    pid = there.pid
    stop(name, stop_seconds)
    unless_gone(
        handle.undefineFlags,
        libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
    )
    if not _until(lambda: _handle(name) is None and not _lives(pid, there.spec.uuid), GONE_SECONDS):
        raise VmlabError(f"the domain {name} is still there after it was removed; virsh domstate {name}")
    forget(name, there.spec.console)


def forget(name: str, console_file: str) -> None:
    """Remove the console's file and QEMU's log of a domain that is gone."""
    for log in (console_file, str(LOGS / f"{name}.log")):
        if log:
            console.remove(log)


# -- inside


def _handle(name: str) -> Any:
    return connection.found(connection.open().lookupByName, name)


def _owned(spec: DomainSpec) -> Any:
    handle = _handle(spec.name)
    if handle is None or _found(handle).spec.stack != spec.stack:
        raise VmlabError(f"the domain {spec.name} is gone; refresh, then up")
    return handle


def _found(handle: Any) -> Found:
    found = _seen(handle)
    if found is None:
        raise VmlabError(f"the domain {handle.name()} went away; refresh, then up")
    return found


def _seen(handle: Any) -> Found | None:
    """The domain as it is; None when it went away meanwhile."""
    import libvirt

    def look(_: str) -> Found:
        spec = domain.from_xml(handle.XMLDesc(0))
        running = handle.state()[0] in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED)
        return Found(replace(spec, autostart=bool(handle.autostart())), running)

    return connection.found(look, handle.name())


def _is_active(handle: Any) -> bool:
    return bool(connection.found(lambda _: handle.isActive(), handle.name()))


def _lives(pid: int, uuid: str) -> bool:
    return pid in processes.by_command("qemu-system-x86_64", "-uuid", uuid) if pid else False


def _until(happened: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True
