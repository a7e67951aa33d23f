"""libvirt: the one that answers already, else systemd's, else virtlogd and libvirtd as children of ours.

A libvirt that answers is used and never touched; libvirt-python is built for it if need be. Nothing is defined here: the
user's network `default` that comes with Debian's package stays as it is. Out of scope: pools, networks and domains of the
lab, substrates/libvirt; whether KVM works, substrates/accelerator.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from host import packages, record, systemd
from host.libvirt import binding, daemons, kvm, leftovers, traces, virsh
from host.packages import Package
from host.reporting import Say, Status
from machine import cgroups, commands
from machine.errors import Unavailable, VmlabError
from machine.waiting import Deadline

NAME = "libvirt"
PACKAGES: tuple[Package, ...] = (
    # Not stood in for by a libvirtd that is there: its user libvirt-qemu comes with this one (GNOME Boxes has it without).
    Package("libvirt-daemon-system"),
    Package("libvirt-clients", "virsh"),
    Package("qemu-system-x86", "qemu-system-x86_64"),
    Package("qemu-utils", "qemu-img"),
    # Networks with DHCP or DNS; the lab's have neither, the user's `default` has both.
    Package("dnsmasq-base", "dnsmasq"),
    Package("iptables", "iptables"),
    Package("iproute2", "ip"),
    Package("tini", "tini"),
    # For libvirt-python.
    Package("libvirt-dev"),
    Package("pkg-config", "pkg-config"),
    Package("gcc", "gcc"),
    Package("libc6-dev"),
    *binding.headers(),
)
# Sockets first: the next client would start a service again through its socket.
UNITS = (
    *("libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "libvirtd.service"),
    *("virtlogd.socket", "virtlogd-admin.socket", "virtlogd.service"),
    *("virtlockd.socket", "virtlockd-admin.socket", "virtlockd.service"),
)
FIX = "vmlab host up libvirt"


def needs() -> None:
    packages.needs(PACKAGES)
    binding.needs()
    if virsh.answers():
        return
    if os.geteuid() != 0:
        raise Unavailable("no libvirt answers, and only root can start one", f"sudo {FIX}")
    living = leftovers.holder()
    if living:
        raise Unavailable(
            f"libvirtd (pid {living}) runs but does not answer at {virsh.URI}", f"look at it: ps -Lf {living}"
        )


def downloads() -> list[str]:
    return binding.downloads()


def status() -> Status:
    if virsh.answers():
        return _status_of_the_answering()
    if record.entry(NAME):
        detail = f"vmlab started it and it has ended; its log: {daemons.libvirtd.log}"
        return Status(NAME, "stopped", True, detail, FIX)
    if commands.find("libvirtd") is None:
        return Status(NAME, "missing", False, "libvirtd is not installed", FIX)
    return Status(NAME, "stopped", False, f"nothing answers at {virsh.URI}", FIX)


def up(say: Say) -> None:
    binding.install(say)
    for daemon in (daemons.libvirtd, daemons.virtlogd):
        daemon.clear_stale(say)
    if virsh.answers() and not _ours():
        traces.prepare()
        say("libvirt: one that vmlab did not start answers; it is used and left as it is")
        return
    leftovers.clear(say)
    # A second `up` keeps the first one's view of the machine before.
    entry = record.entry(NAME) or _first_look()
    # Recorded before anything starts, so that `down` repairs a killed `up`.
    record.keep(NAME, entry)
    try:
        traces.prepare()
        _start(entry)
    except VmlabError:
        _stop(entry)
        if not leftovers.notes():  # else guests still run, and `down` needs the record
            _take_back(entry, [], say)
        raise


def down(say: Say, *, force: bool = False) -> None:
    entry = record.entry(NAME)
    if entry is None:
        say("libvirt: not started by vmlab, left alone")
        return
    if virsh.answers() and not _ours():
        daemons.libvirtd.clear_stale(say)
        record.forget(NAME)
        say("libvirt: ours has ended and another one answers now; it is left alone")
        return
    _refuse_while_used(force)
    known = leftovers.notes()
    _end_what_runs(entry, say)
    _stop(entry)
    _take_back(entry, known, say)
    say("libvirt: down; its packages, libvirt-python and /var/lib/libvirt stay")


def _status_of_the_answering() -> Status:
    ours, found = _ours(), f"{virsh.versions()} at {virsh.URI}"
    if ours and _child() and not daemons.complete():
        detail = f"{found}, but virtlogd has ended; its log: {daemons.virtlogd.log}"
        return Status(NAME, "stopped", True, detail, FIX)
    if not traces.prepared():
        return Status(NAME, "stopped", ours, f"{found}, but there is no {traces.NEEDED}", FIX)
    if binding.version() != binding.wanted():
        detail = f"{found}, but no libvirt-python {binding.wanted()} in {sys.prefix}"
        return Status(NAME, "missing", ours, detail, FIX)
    return Status(NAME, "running", ours, f"{found}, libvirt-python {binding.wanted()}")


def _first_look() -> dict[str, Any]:
    """Who will start it, and what there is before: guests and networks may have outlived another libvirtd."""
    by = "systemd" if systemd.running() else "child"
    return {
        "by": by,
        "units": [unit for unit in UNITS if not systemd.active(unit)] if by == "systemd" else [],
        "cgroups_mounted": cgroups.mount(),
        "noted": leftovers.notes(),
        "before": traces.take(),
        "kvm_opened": kvm.open_to_guests(),
    }


def _start(entry: dict[str, Any]) -> None:
    if entry["by"] == "child":
        daemons.start()
        return
    systemd.start("libvirtd.service")
    if not Deadline(daemons.READY_SECONDS).until(virsh.answers):
        raise VmlabError(
            f"libvirtd.service started, but nothing answers at {virsh.URI}", "journalctl -u libvirtd -n 50"
        )


def _child() -> bool:
    entry = record.entry(NAME)
    return entry is not None and entry["by"] == "child"


def _ours() -> bool:
    """Whether the libvirtd that answers is the one that was recorded."""
    return record.entry(NAME) is not None and (not _child() or daemons.libvirtd.pid() is not None)


def _refuse_while_used(force: bool) -> None:
    """Guests would outlive their libvirtd unseen: they are ended with it, but only when told to."""
    names = virsh.running_domains() if virsh.answers() else leftovers.guests()
    if names and not force:
        raise VmlabError(
            f"libvirt: domains still run: {', '.join(names)}\n"
            "  next: vmlab destroy their stacks, or vmlab host down --force libvirt"
        )


def _end_what_runs(entry: dict[str, Any], say: Say) -> None:
    """End guests and networks in the orderly way; a libvirtd that was killed is started once more to do it."""
    if not virsh.answers():
        if not set(leftovers.notes()) - set(entry["noted"]):
            return
        say("libvirt: its libvirtd was killed; started once more to end what it left")
        leftovers.clear(say)
        _start(entry)
    for name in virsh.running_domains():
        if name not in entry["noted"]:
            virsh.end_domain(name)
            say(f"libvirt: ended the domain {name}")
    for name in virsh.active_networks():
        if name not in entry["noted"]:
            virsh.end_network(name)
            say(f"libvirt: ended the network {name}; a persistent one's definition stays")


def _stop(entry: dict[str, Any]) -> None:
    for unit in entry["units"]:
        if systemd.active(unit):
            systemd.stop(unit)
    if entry["by"] == "child":
        daemons.stop()


def _take_back(entry: dict[str, Any], known: list[str], say: Say) -> None:
    leftovers.clear(say)
    for line in traces.undo(entry["before"], known):
        say(f"libvirt: took back {line}")
    if entry["cgroups_mounted"]:
        cgroups.unmount()
    if entry.get("kvm_opened"):  # not in the record of an older version
        kvm.close()
    record.forget(NAME)
