"""The service as a libvirt VM: a guest with a kernel of its own, emulated hardware, and a disk layer above the artifact.

Copies are made from the stack's own domain as libvirt describes it, with another name, address, MAC, disk layer and
configuration disk, and a fresh data disk. A boot is what `virsh define` and `virsh start` do, with the layer made first.
Every milestone is stamped on the host: a guest's are its lines on the serial console. Left out: migration, snapshots.
"""

from __future__ import annotations

import ipaddress
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clients.libvirt import connection, domains, networks, pools, volumes
from clients.libvirt.description import DiskSpec, DomainSpec, InterfaceSpec
from machine import cgroups, processes
from machine.commands import run
from machine.errors import NeverAnswered, Unavailable, VmlabError
from substrates.boundaries.program import environment as probe_environment
from substrates.boundaries.program import instead_of
from substrates.contract import BOOT_PREFIX, MILESTONES, Boot, Footprint, Request, Slot
from substrates.inputs import artifact as artifacts
from substrates.vm import disks, guest
from substrates.vm.console import Watch

KIND = "vm"
COPIES = ("boot/",)  # how the label begins: boot/<copy>, or <project>/<stack>
OURS = ("vmlab/", *COPIES)
FIRST_COPY, MOST_COPIES = 10, 50  # addresses in the network: .1 is the bridge, .2 the stack's own guest
CONSOLE_LINES = 20
REPORT_SECONDS = 3.0
STOP_SECONDS = 15.0  # a guest gives its service 10 (host/guest), and then ends by itself


@dataclass(frozen=True)
class Definition:
    """All that is needed to boot one copy."""

    spec: DomainSpec
    network: ipaddress.IPv4Interface  # the bridge's address in its network
    bridge: str
    port: int  # inside the guest
    files: dict[str, str]  # of the configuration disk; may hold the secret


@dataclass(frozen=True)
class Handle:
    """A copy that was started."""

    name: str
    label: str
    address: str
    bridge: str
    url: str
    folder: Path


# -- fresh copies, as `contract` has them


def definition(instance: dict[str, Any]) -> Definition:
    """The stack's own domain, as libvirt has it, and what its configuration disk holds."""
    spec = _domain(instance).spec
    network = networks.find(spec.interfaces[0].network)
    if network is None:
        raise VmlabError(f"the network of {spec.name} is gone; vmlab up {spec.stack.rpartition('/')[2]}")
    return Definition(
        spec,
        ipaddress.IPv4Interface(network.spec.address),
        network.spec.bridge,
        int(instance["port"]),
        disks.files(Path(spec.disks[2].path)),
    )


def boot(definition: Definition, slot: Slot, request: Request) -> Boot:
    """Make the disk layer, define, start. `accepted` is when libvirt has the domain, `sandboxed` when QEMU runs.

    Nobody asks the guest before it says `listening`: under emulation each refused connection is time of its one CPU.
    A copy that does not come to an answer is taken away, whatever the reason."""
    copy, spec, files = _copy_of(definition, slot, request)
    destroy(copy)  # what an interrupted run left
    try:
        return _first_answer(definition, copy, spec, files, request)
    except BaseException:  # Ctrl-C too: nobody else knows of this copy yet
        with suppress(VmlabError):  # the first error says more
            destroy(copy)
        raise


def footprint(copy: Handle) -> Footprint:
    """Of the copy's QEMU, which holds all of the guest; its disk layers are what the copy wrote."""
    pid = _pid(copy.name)
    return Footprint(
        pss_bytes=processes.pss_bytes(pid),
        cgroup_bytes=cgroups.memory_bytes(pid),
        cpu_seconds=processes.cpu_seconds(pid),
        disk_instance_bytes=sum(file.stat().st_blocks * 512 for file in copy.folder.iterdir()),
        guest_bytes=_used_bytes(copy.name),
    )


def limits(instance: dict[str, Any]) -> dict[str, float | int | bool]:
    """What the running guest has: libvirt's live description."""
    spec = _domain(instance).spec
    return {"cpus": min(spec.cpus, float(spec.vcpus)), "memory_bytes": spec.memory_bytes, "enforced": True}


def artifact(instance: dict[str, Any]) -> str:
    """The digest of the artifact whose disk is below the running guest's layer."""
    found = _artifact(instance)
    return found.digest if found else ""


def image_bytes(instance: dict[str, Any]) -> int:
    """What is shared by all guests of this kind: the disk below their layers, the kernel, the initramfs."""
    spec = _domain(instance).spec
    files = [spec.disks[0].backing, spec.kernel, spec.initrd]
    return sum(Path(file).stat().st_blocks * 512 for file in files)


def shut_down(copy: Handle) -> bool:
    """Press the power button; whether the guest went by itself, in time."""
    return domains.stop(copy.name, STOP_SECONDS)


def destroy(copy: Handle) -> None:
    """Pull the plug, and take away the domain, its files and its neighbour entry."""
    domains.remove(copy.name, copy.label)
    shutil.rmtree(copy.folder, ignore_errors=True)
    if Path("/sys/class/net", copy.bridge).exists():
        run(["ip", "neigh", "flush", "to", copy.address, "dev", copy.bridge, "nud", "permanent"])


def remove_copies() -> None:
    """Take away the copies that an interrupted run left, with their files."""
    for name, label in domains.labelled(COPIES):
        domains.remove(name, label)
    for folder in guest.folders(BOOT_PREFIX):
        shutil.rmtree(folder)


def everything_labelled() -> list[str]:
    """Domains and networks with the lab's label, and the volumes and pools that lie where ours do."""
    found = [f"domain {name}" for name, _ in domains.labelled(OURS)]
    found += [f"network {name}" for name, _ in networks.labelled(OURS)]
    found += [f"volume {pool}/{name}" for pool, name in volumes.labelled()]
    return [*found, *(f"pool {name}" for name in pools.labelled())]


def remove_labelled() -> None:
    """Remove them, domains first, because the others are in use by them."""
    for name, label in domains.labelled(OURS):
        domains.remove(name, label)
    for name, label in networks.labelled(OURS):
        networks.remove(name, label)
    for pool, name in volumes.labelled():
        volumes.remove(name, pool)
    for name in pools.labelled():
        pools.remove(name)


def mac_of(address: str) -> str:
    """A MAC that follows from the address, so that it is known before anybody asks for it."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed[1:])


# -- inside


def _copy_of(
    definition: Definition, slot: Slot, request: Request
) -> tuple[Handle, DomainSpec, dict[str, str]]:
    """The copy's handle, its domain, and the files of its configuration disk."""
    place = definition.network.network[FIRST_COPY + slot.number % MOST_COPIES]
    folder = guest.copies() / slot.name
    copy = Handle(
        slot.name,
        f"boot/{slot.name}",
        str(place),
        definition.bridge,
        f"http://{place}:{definition.port}",
        folder,
    )
    root = definition.spec.disks[0]
    disks = (
        replace(root, path=str(folder / "root.qcow2")),
        DiskSpec(str(folder / "data.raw")),
        DiskSpec(str(folder / "config.raw")),
    )
    link = InterfaceSpec(definition.spec.interfaces[0].network, mac_of(copy.address))
    spec = replace(
        definition.spec, name=copy.name, stack=copy.label, uuid="", autostart=False, disks=disks,
        interfaces=(link,), console=str(folder / "console"),
    )  # fmt: skip
    length = definition.network.network.prefixlen
    environment = f"{definition.files.get('environment', '')}NONCE={request.nonce}\n"
    own = {"address": f"{copy.address}/{length}\n", "hostname": f"{copy.name}\n", "environment": environment}
    return copy, spec, {**definition.files, **own}


def _first_answer(
    definition: Definition, copy: Handle, spec: DomainSpec, files: dict[str, str], request: Request
) -> Boot:
    """The boot itself; NeverAnswered when the time is up, and as soon as QEMU has ended."""
    _make_folder(copy.folder)
    _know_neighbour(copy, spec.interfaces[0].mac)
    with Watch(Path(spec.console)) as watch:
        stamps = {"requested": time.monotonic_ns()}
        disks.make(definition.spec.disks[0].backing, spec.disks, files)
        domains.create(spec, running=False)
        stamps["accepted"] = time.monotonic_ns()
        error = _start(copy.name)
        stamps["sandboxed"] = time.monotonic_ns()
        deadline = 0 if error else stamps["requested"] + int(request.seconds * 1e9)
        url = f"{copy.url}{request.path}"
        answer = watch.first_answer(url, deadline, request.expected, lambda: domains.runs(copy.name))
        if answer is not None and request.echoed:
            watch.catch_up()
        stamps |= watch.stamps_ns
    if answer is None:
        said = [*watch.lines()[-CONSOLE_LINES:], *error]
        raise NeverAnswered(copy.name, max(stamps, key=MILESTONES.index), request.seconds, said)
    return Boot(copy, {**stamps, "answered": answer.at_ns}, url=copy.url, checks_seconds=watch.account())


def _make_folder(folder: Path) -> None:
    """Make it. QEMU's user can pass through all that was made for it, whatever the umask."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True)
    for path in made:
        path.chmod(0o711)


def _start(name: str) -> list[str]:
    try:
        domains.start(name)
    except VmlabError as error:
        return str(error).splitlines()
    return []


def _know_neighbour(copy: Handle, mac: str) -> None:
    """Else the first packet asks for the MAC, nobody answers yet, and the kernel asks again a second later."""
    run(["ip", "neigh", "replace", copy.address, "lladdr", mac, "dev", copy.bridge, "nud", "permanent"])


def _domain(instance: dict[str, Any]) -> domains.Found:
    found = domains.find(instance["name"])
    if found is None or not found.running:
        raise VmlabError(f"the domain {instance['name']} is not running; vmlab up vm")
    return found


def _artifact(instance: dict[str, Any]) -> artifacts.Artifact | None:
    base = Path(_domain(instance).spec.disks[0].backing)
    return next((a for a in artifacts.everything() if a.root.parent.name == base.parent.name), None)


def _pid(name: str) -> int:
    found = domains.find(name)
    return found.pid if found else 0


def _used_bytes(name: str) -> int | None:
    """What the guest's kernel says is in use, through its balloon; None before its first report."""
    with connection.asked(f"cannot ask the guest {name}"):
        handle = connection.open().lookupByName(name)
        handle.setMemoryStatsPeriod(1, 0)
        deadline = time.monotonic() + REPORT_SECONDS
        while "usable" not in (said := handle.memoryStats()) and time.monotonic() < deadline:
            time.sleep(0.05)
    return (said["available"] - said["usable"]) * 1024 if "usable" in said else None


# -- the probe of `boundaries`


def with_probe(definition: Definition, settings: dict[str, str]) -> Definition:
    """The same guest with the probe in the service's place; Unavailable where systemd starts the service by a unit."""
    if "vmlab_variant=full" in definition.spec.cmdline:
        raise Unavailable(
            "systemd starts the service there, by a unit of its own", "vmlab boundaries vm-slim"
        )
    files = dict(definition.files)
    files["command"] = "".join(f"{word}\n" for word in instead_of(files["command"].splitlines()))
    variables = probe_environment(settings)
    files["environment"] += "".join(f"{name}={value}\n" for name, value in variables.items())
    return replace(definition, files=files)
