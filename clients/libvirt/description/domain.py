"""A domain: a guest's processors, memory, kernel, disks, links and console.

Virtio only, no graphics, no USB, no sound. No file changes its owner for a guest: libvirt would give kernel, initramfs and
backing files to QEMU's user for as long as it runs, who could then write to what others share. So a disk must be QEMU's own
(`connection.qemu_user`) before the start, and what is shared must be readable by all.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element

from clients.libvirt.description import tree
from machine.errors import InvalidInput

PERIOD_MICROSECONDS = 100_000
LEAST_MICROSECONDS = 1000  # the kernel's least quota
KINDS = {"kvm": "kvm", "tcg": "qemu"}  # our word for the accelerator, libvirt's type of domain
BEST_CPU = {"kvm": "host-passthrough", "tcg": "max"}
MODES = {
    "host-passthrough": "host-passthrough",
    "max": "maximum",
}  # our word for the processor, libvirt's mode
MACHINES = {"pc": "pc-i440fx-", "q35": "pc-q35-"}  # what libvirt makes of an alias begins like this
FORMATS = ("raw", "qcow2")
FIRST_SLOT, MOST = 2, 28  # 0 is the host's bridge, 1 is where a screen would be, 31 the chipset's own


@dataclass(frozen=True)
class DiskSpec:
    """A virtio disk out of a file; `backing` is the file below a qcow2 overlay."""

    path: str
    format: str = "raw"
    read_only: bool = False
    target: str = ""  # "" for the next of vda, vdb, ...
    backing: str = ""
    backing_format: str = ""  # "" is raw, if there is a backing file
    cache: str = ""  # "" leaves it to libvirt


@dataclass(frozen=True)
class InterfaceSpec:
    """A virtio link to one of libvirt's networks."""

    network: str
    mac: str


@dataclass(frozen=True)
class DomainSpec:
    """All that a domain is made from. Memory in bytes, whole MiB; 0 and "" stand for "as usual"."""

    name: str
    stack: str
    memory_bytes: int
    uuid: str = ""
    max_memory_bytes: int = 0  # 0 is memory_bytes
    vcpus: int = 1
    max_vcpus: int = 0  # 0 is vcpus
    cpus: float = 0.0  # how much of them all at most; 0 is vcpus
    autostart: bool = False  # not part of the XML
    accelerator: str = "tcg"
    cpu_model: str = ""  # "" is the best that the accelerator has
    machine: str = "pc"
    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""
    disks: tuple[DiskSpec, ...] = field(default=())
    interfaces: tuple[InterfaceSpec, ...] = field(default=())
    console: str = ""  # the file that ttyS0 goes to
    balloon: bool = False  # the guest tells of its memory; always so where memory_bytes is below the maximum

    def whole(self) -> DomainSpec:
        """The same with everything said that "as usual" stands for."""
        backed = [
            replace(d, backing_format=d.backing_format or "raw") if d.backing else d for d in self.disks
        ]
        return replace(
            self,
            max_memory_bytes=self.max_memory_bytes or self.memory_bytes,
            max_vcpus=self.max_vcpus or self.vcpus,
            cpus=self.cpus or float(self.vcpus),
            balloon=self.balloon or self.memory_bytes < (self.max_memory_bytes or self.memory_bytes),
            cpu_model=self.cpu_model or BEST_CPU.get(self.accelerator, ""),
            disks=tuple(replace(d, target=d.target or f"vd{chr(97 + i)}") for i, d in enumerate(backed)),
            interfaces=tuple(replace(i, mac=i.mac.lower()) for i in self.interfaces),
        )


def to_xml(spec: DomainSpec, user: tuple[int, int] | None = None) -> str:
    """The domain as libvirt is given it; InvalidInput when it cannot be one.

    `user` is whom QEMU runs as; without it libvirt gives QEMU the files and takes them back."""
    spec = spec.whole()
    if spec.accelerator not in KINDS:
        raise InvalidInput(f"the accelerator of {spec.name} must be kvm or tcg, not {spec.accelerator!r}")
    root = Element("domain", type=KINDS[spec.accelerator])
    tree.add(root, "name", tree.name_of_thing("a domain", spec.name))
    if spec.uuid:
        tree.add(root, "uuid", tree.text("the uuid", spec.uuid))
    tree.label(root, spec.stack)
    _sizes(root, spec)
    _system(root, spec)
    for event, action in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        tree.add(root, f"on_{event}", action)
    _devices(root, spec)
    if user is not None:
        label = tree.add(root, "seclabel", type="static", model="dac", relabel="no")
        tree.add(label, "label", "+{}:+{}".format(*user))
    _ask_less(root)
    return tree.written(root)


def _ask_less(root: Element) -> None:
    """Let libvirt read the processor's features in two questions instead of one for each feature.

    It asks QEMU some 400 times while the guest stands still: 0.26 s of the 0.39 s that a start took. A libvirt that
    has no other way any more knows the word still, and ignores it (`check="none"` leaves nothing to compare anyway)."""
    tree.add(tree.add(root, tree.QEMU_CAPABILITIES), tree.QEMU_WITHOUT, capability="cpu-unavailable-features")


def _sizes(root: Element, spec: DomainSpec) -> None:
    tree.add(root, "memory", str(spec.max_memory_bytes // 1024), unit="KiB")
    tree.add(root, "currentMemory", str(spec.memory_bytes // 1024), unit="KiB")
    tree.add(root, "vcpu", str(spec.max_vcpus), current=str(spec.vcpus))
    quota = quota_microseconds(spec)
    if quota > 0:
        tune = tree.add(root, "cputune")
        tree.add(tune, "period", str(PERIOD_MICROSECONDS))
        tree.add(tune, "quota", str(quota))


def quota_microseconds(spec: DomainSpec) -> int:
    """What each processor of the guest may use of a period; -1 for all of it."""
    spec = spec.whole()
    quota = max(LEAST_MICROSECONDS, round(spec.cpus / spec.vcpus * PERIOD_MICROSECONDS))
    return quota if quota < PERIOD_MICROSECONDS else -1


def is_quota_of(spec: DomainSpec, cpus: float) -> bool:
    """Whether so many processors have just the quota that this domain has."""
    return quota_microseconds(replace(spec, cpus=cpus)) == quota_microseconds(spec)


def _system(root: Element, spec: DomainSpec) -> None:
    system = tree.add(root, "os")
    tree.add(system, "type", "hvm", arch="x86_64", machine=tree.text("the machine", spec.machine))
    for tag, file in (("kernel", spec.kernel), ("initrd", spec.initrd)):
        if file:
            tree.add(system, tag, tree.path(f"the {tag}", file))
    if spec.cmdline:
        tree.add(system, "cmdline", tree.text("the kernel's command line", spec.cmdline))
    features = tree.add(root, "features")
    tree.add(features, "acpi")
    tree.add(features, "apic")
    if spec.cpu_model in MODES:
        tree.add(root, "cpu", mode=MODES[spec.cpu_model], check="none")
    else:
        cpu = tree.add(root, "cpu", mode="custom", match="exact", check="none")
        tree.add(cpu, "model", tree.text("the processor", spec.cpu_model))
    tree.add(root, "clock", offset="utc")


def _devices(root: Element, spec: DomainSpec) -> None:
    devices = tree.add(root, "devices")
    for disk in spec.disks:
        _disk(devices, disk)
    tree.add(devices, "controller", type="usb", model="none")
    for interface in spec.interfaces:
        link = tree.add(devices, "interface", type="network")
        tree.add(link, "mac", address=tree.text("the MAC", interface.mac))
        tree.add(link, "source", network=tree.text("the network", interface.network))
        tree.add(link, "model", type="virtio")
        tree.add(link, "rom", enabled="no")  # no guest of ours boots from the network
    if spec.console:
        serial = tree.add(devices, "serial", type="file")
        tree.add(serial, "source", path=tree.path("the console", spec.console), append="off")
        tree.add(serial, "target", port="0")
    random = tree.add(devices, "rng", model="virtio")
    tree.add(random, "backend", "/dev/urandom", model="random")
    # A balloon only where memory may be changed below the maximum; without one QEMU has one device less to set up.
    tree.add(devices, "memballoon", model="virtio" if spec.balloon else "none")
    if spec.machine == "q35":
        _on_the_root_bus(devices)


def _on_the_root_bus(devices: Element) -> None:
    """Each virtio device straight on PCI Express's first bus. libvirt gives each a port of its own, for hot plugging, and a
    guest that looks through all of them was 0.1 s later at its first process (emulated, 2.2 s to the first answer)."""
    virtio = [
        device
        for device in devices
        if device.tag in ("disk", "interface", "rng") or device.get("model") == "virtio"
    ]
    for slot, device in enumerate(virtio[:MOST], FIRST_SLOT):
        tree.add(
            device, "address", type="pci", domain="0x0000", bus="0x00", slot=f"0x{slot:02x}", function="0x0"
        )


def _disk(devices: Element, spec: DiskSpec) -> None:
    if spec.format not in FORMATS or (spec.backing and spec.format != "qcow2"):
        raise InvalidInput(f"disk {spec.path} must be raw or qcow2, and only qcow2 can have a backing file")
    disk = tree.add(devices, "disk", type="file", device="disk")
    driver = {"name": "qemu", "type": spec.format}
    tree.add(disk, "driver", **driver, **({"cache": spec.cache} if spec.cache else {}))
    tree.add(disk, "source", file=tree.path("a disk", spec.path))
    if spec.backing:
        below = tree.add(disk, "backingStore", type="file")
        tree.add(below, "format", type=spec.backing_format)
        tree.add(below, "source", file=tree.path("a backing file", spec.backing))
        tree.add(below, "backingStore")
    else:
        tree.add(disk, "backingStore")
    tree.add(disk, "target", dev=tree.text("the target", spec.target), bus="virtio")
    if spec.read_only:
        tree.add(disk, "readonly")


# -- read back


def from_xml(document: str) -> DomainSpec:
    """The domain as libvirt has it; a domain of somebody else's reads too, as far as these words go."""
    root = tree.read(document)
    kinds = {kind: word for word, kind in KINDS.items()}
    vcpus = int(tree.attribute(root, "vcpu", "current") or root.findtext("vcpu") or 0)
    return DomainSpec(
        name=root.findtext("name") or "",
        uuid=root.findtext("uuid") or "",
        stack=tree.label_of(root),
        memory_bytes=int(root.findtext("currentMemory") or 0) * 1024,
        max_memory_bytes=int(root.findtext("memory") or 0) * 1024,
        vcpus=vcpus,
        max_vcpus=int(root.findtext("vcpu") or 0),
        cpus=_cpus(root, vcpus),
        accelerator=kinds.get(root.get("type", ""), root.get("type", "")),
        cpu_model=_cpu_model(root),
        machine=_machine(tree.attribute(root, "os/type", "machine")),
        kernel=root.findtext("os/kernel") or "",
        initrd=root.findtext("os/initrd") or "",
        cmdline=root.findtext("os/cmdline") or "",
        disks=tuple(map(_disk_of, root.findall("devices/disk"))),
        interfaces=tuple(
            InterfaceSpec(tree.attribute(link, "source", "network"), tree.attribute(link, "mac", "address"))
            for link in root.findall("devices/interface")
        ),
        console=tree.attribute(root, "devices/serial[@type='file']/source", "path"),
        balloon=tree.attribute(root, "devices/memballoon", "model") == "virtio",
    )


def _cpus(root: Element, vcpus: int) -> float:
    quota, period = int(root.findtext("cputune/quota") or 0), int(root.findtext("cputune/period") or 0)
    return quota / period * vcpus if quota > 0 and period else float(vcpus)


def _cpu_model(root: Element) -> str:
    words = {mode: word for word, mode in MODES.items()}
    mode = tree.attribute(root, "cpu", "mode")
    return words.get(mode) or root.findtext("cpu/model") or ""


def _machine(name: str) -> str:
    return next((alias for alias, begin in MACHINES.items() if name.startswith(begin)), name)


def _disk_of(disk: Element) -> DiskSpec:
    backing = tree.attribute(disk, "backingStore/source", "file")
    return DiskSpec(
        path=tree.attribute(disk, "source", "file"),
        format=tree.attribute(disk, "driver", "type"),
        read_only=disk.find("readonly") is not None,
        target=tree.attribute(disk, "target", "dev"),
        backing=backing,
        backing_format=tree.attribute(disk, "backingStore/format", "type") if backing else "",
        cache=tree.attribute(disk, "driver", "cache"),
    )
