"""The service as a libvirt VM: a guest with a separate kernel, emulated hardware, and a disk layer above the artifact.

A boot is what `virsh define` and `virsh start` do, with the disk layer created first. `destroy` is forced termination,
`shut_down` a graceful ACPI shutdown. Out of scope: migration, snapshots.
"""

from __future__ import annotations

import ipaddress
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from clients.libvirt import domains, networks, pools, sizes, volumes
from clients.libvirt.connection import present
from machine import cgroups, processes
from machine.errors import Unavailable, VmlabError
from substrates.boundaries.program import environment as probe_environment
from substrates.boundaries.program import instead_of
from substrates.contract import BOOT_PREFIX, Boot, Footprint, Limits, Request, Slot
from substrates.inputs import artifact as artifacts
from substrates.vm import console, disks
from substrates.vm.boot import Definition, Handle, forget_neighbour, plan, start

KIND = "vm"
COPIES = ("boot/",)  # how the label begins: boot/<copy>, or <project>/<stack>
OURS = ("vmlab/", *COPIES)
STOP_SECONDS = 15.0  # a guest gives its service 10 (host/guest/init.c) and then powers off


def definition(instance: dict[str, Any]) -> Definition:
    """The stack's own domain, as libvirt has it, and the files of its configuration disk."""
    spec = _domain(instance).spec
    network = present(networks.find(spec.interfaces[0].network), f"network of {spec.name}").spec
    files = disks.files(Path(spec.disks[2].path))
    return Definition(
        spec, ipaddress.IPv4Interface(network.address), network.bridge, int(instance["port"]), files
    )


def boot(definition: Definition, slot: Slot, request: Request) -> Boot:
    """A copy that answers. One that does not is removed, whatever the reason.

    The guest is asked seldom until it prints `listening`: under emulation each refused connection costs time of its
    only CPU."""
    planned = plan(definition, slot, request)
    copy = planned[0]
    destroy(copy)  # what an interrupted run left
    try:
        return start(definition, planned, slot, request)
    except BaseException:  # Ctrl-C too: nothing else knows of this copy yet
        with suppress(VmlabError):  # the first error is the cause
            destroy(copy)
        raise


def footprint(copy: Handle) -> Footprint:
    """Of the copy's QEMU, which holds all of the guest; its disk layers are what the copy wrote."""
    found = domains.find(copy.name)
    pid = found.pid if found else 0
    return Footprint(
        pss_bytes=processes.pss_bytes(pid),
        cgroup_bytes=cgroups.memory_bytes(pid),
        cpu_seconds=processes.cpu_seconds(pid),
        disk_instance_bytes=sum(file.stat().st_blocks * 512 for file in copy.folder.iterdir()),
        guest_bytes=_used_bytes(copy.name),
    )


def limits(instance: dict[str, Any]) -> Limits:
    """The live domain's processors, their quota and its memory, and what the guest itself sees of both.

    The guest's memory is its MemTotal: less than the domain's by what its kernel reserves. A guest that sees more than
    the domain has is not limited; one that reports nothing is limited by the hypervisor alone."""
    spec = _domain(instance).spec
    cpus, memory_bytes = console.seen_at_boot(Path(spec.console))
    if spec.balloon:  # current; the line on the console is as old as the boot
        memory_bytes = sizes.memory_seen_bytes(spec.name).get("available", memory_bytes)
    return Limits(
        cpus=sizes.limited_cpus(spec.name, spec.vcpus),
        memory_bytes=spec.memory_bytes,
        enforced=(cpus or 0) <= spec.vcpus and (memory_bytes or 0) <= spec.memory_bytes,
        guest_cpus=cpus,
        guest_memory_bytes=memory_bytes,
    )


def artifact(instance: dict[str, Any]) -> str:
    """The digest of the artifact whose disk is below the running guest's layer; "" when it is not known."""
    base = Path(_domain(instance).spec.disks[0].backing)
    built = artifacts.everything()
    return next((a.digest for a in built if a.root.parent.name == base.parent.name), "")


def image_bytes(instance: dict[str, Any]) -> int:
    """What all guests of this kind share: the disk below their layers, the kernel, the initramfs."""
    spec = _domain(instance).spec
    files = [spec.disks[0].backing, spec.kernel, spec.initrd]
    return sum(Path(file).stat().st_blocks * 512 for file in files)


def shut_down(copy: Handle) -> bool:
    """Send an ACPI shutdown request; whether the guest powered off in time."""
    return domains.stop(copy.name, STOP_SECONDS)


def destroy(copy: Handle) -> None:
    """Terminate it by force, and remove the domain, its files and its neighbour entry."""
    domains.remove(copy.name, copy.label)
    shutil.rmtree(copy.folder, ignore_errors=True)
    forget_neighbour(copy)


def remove_copies() -> None:
    """Remove the copies of an interrupted run, with their files."""
    for name, label in domains.labelled(COPIES):
        domains.remove(name, label)
    for folder in disks.folders(BOOT_PREFIX):
        shutil.rmtree(folder)


def everything_labelled() -> list[str]:
    """Domains and networks with the lab's label, and the volumes and pools below the lab's folder."""
    found = [f"domain {name}" for name, _ in domains.labelled(OURS)]
    found += [f"network {name}" for name, _ in networks.labelled(OURS)]
    found += [f"volume {pool}/{name}" for pool, name in volumes.labelled()]
    return [*found, *(f"pool {name}" for name in pools.labelled())]


def remove_labelled() -> None:
    """Remove them, domains first, because they use the others."""
    for name, label in domains.labelled(OURS):
        domains.remove(name, label)
    for name, label in networks.labelled(OURS):
        networks.remove(name, label)
    for pool, name in volumes.labelled():
        volumes.remove(name, pool)
    for name in pools.labelled():
        pools.remove(name)


def with_probe(definition: Definition, settings: dict[str, str]) -> Definition:
    """The same guest with the probe in the service's place; Unavailable where systemd starts the service by a unit."""
    if "vmlab_variant=full" in definition.spec.cmdline:
        raise Unavailable("systemd starts the service there, by a separate unit", "vmlab boundaries vm-slim")
    files = dict(definition.files)
    files["command"] = "".join(f"{word}\n" for word in instead_of(files["command"].splitlines()))
    variables = probe_environment(settings)
    files["environment"] += "".join(f"{name}={value}\n" for name, value in variables.items())
    return replace(definition, files=files)


def _used_bytes(name: str) -> int | None:
    """What the guest's kernel reports as used; None before its first report."""
    seen = sizes.memory_seen_bytes(name, "usable")
    return seen["available"] - seen["usable"] if seen else None


def _domain(instance: dict[str, Any]) -> domains.Found:
    found = domains.find(instance["name"])
    if found is None or not found.running:
        raise VmlabError(f"the domain {instance['name']} is not running; vmlab up vm")
    return found
