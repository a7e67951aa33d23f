"""A domain: a guest's processors, memory, kernel and command line; its devices are in `devices`.

No file changes its owner for a guest: libvirt would give kernel, initramfs and backing files to QEMU's user while it
runs, who could then write to shared files. So a disk must belong to QEMU's user (`connection.qemu_user`) before the
start, and shared files must be readable by all. Out of scope: firmware, NUMA, pinning.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element, fromstring, tostring

from clients.libvirt.description import devices, tree
from clients.libvirt.description.devices import DiskSpec, InterfaceSpec
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


@dataclass(frozen=True)
class DomainSpec:
    """Everything a domain is created from. Memory in bytes, whole MiB; 0 and "" stand for the default."""

    name: str
    stack: str
    memory_bytes: int
    uuid: str = ""
    max_memory_bytes: int = 0  # 0 is memory_bytes
    vcpus: int = 1
    max_vcpus: int = 0  # 0 is vcpus
    cpus: float = 0.0  # limit for all of them together; 0 is vcpus
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
    balloon: bool = False  # the guest reports its memory; always so where memory_bytes is below the maximum

    def whole(self) -> DomainSpec:
        """The same with every default filled in."""
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
    """The domain's XML for libvirt; InvalidInput when an attribute cannot be used.

    `user` are the uid and gid of QEMU; without them libvirt changes the owner of the files for the run."""
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
    devices.add(
        root,
        spec.disks,
        spec.interfaces,
        console=spec.console,
        balloon=spec.balloon,
        on_root_bus=spec.machine == "q35",
    )
    if user is not None:
        label = tree.add(root, "seclabel", type="static", model="dac", relabel="no")
        tree.add(label, "label", "+{}:+{}".format(*user))
    _read_features_at_once(root)
    return tostring(root, encoding="unicode")


def _read_features_at_once(root: Element) -> None:
    """Let libvirt read the processor's features in two requests instead of one for each feature.

    It sends QEMU some 400 requests while the guest is stopped: 0.26 s of the 0.39 s that a start took. A newer libvirt
    ignores the word (`check="none"` leaves nothing to compare)."""
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
    """Microseconds of a period that each processor of the guest may use; -1 for all of it."""
    spec = spec.whole()
    quota = max(LEAST_MICROSECONDS, round(spec.cpus / spec.vcpus * PERIOD_MICROSECONDS))
    return quota if quota < PERIOD_MICROSECONDS else -1


def is_quota_of(spec: DomainSpec, cpus: float) -> bool:
    """Whether this many CPUs have the same quota as this domain."""
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


# -- read back


def from_xml(document: str) -> DomainSpec:
    """The domain of libvirt's XML; of a foreign domain what these attributes cover."""
    root = fromstring(document)
    kinds = {kind: word for word, kind in KINDS.items()}
    vcpus = int(tree.attribute(root, "vcpu", "current") or root.findtext("vcpu") or 0)
    return DomainSpec(
        **tree.texts(
            root, name="name", uuid="uuid", kernel="os/kernel", initrd="os/initrd", cmdline="os/cmdline"
        ),
        stack=tree.label_of(root),
        memory_bytes=int(root.findtext("currentMemory") or 0) * 1024,
        max_memory_bytes=int(root.findtext("memory") or 0) * 1024,
        vcpus=vcpus,
        max_vcpus=int(root.findtext("vcpu") or 0),
        cpus=_cpus(root, vcpus),
        accelerator=kinds.get(root.get("type", ""), root.get("type", "")),
        cpu_model=_cpu_model(root),
        machine=_machine(tree.attribute(root, "os/type", "machine")),
        disks=devices.disks_of(root),
        interfaces=devices.interfaces_of(root),
        console=tree.attribute(root, "devices/serial[@type='file']/source", "path"),
        balloon=tree.attribute(root, "devices/memballoon", "model") == "virtio",
    )


def statistics_seconds(document: str) -> int:
    """How often the guest of libvirt's XML reports its memory, in seconds; 0 for never."""
    return int(tree.attribute(fromstring(document), "devices/memballoon/stats", "period", "0"))


def _cpus(root: Element, vcpus: int) -> float:
    quota, period = int(root.findtext("cputune/quota") or 0), int(root.findtext("cputune/period") or 0)
    return quota / period * vcpus if quota > 0 and period else float(vcpus)


def _cpu_model(root: Element) -> str:
    words = {mode: word for word, mode in MODES.items()}
    mode = tree.attribute(root, "cpu", "mode")
    return words.get(mode) or root.findtext("cpu/model") or ""


def _machine(name: str) -> str:
    return next((alias for alias, begin in MACHINES.items() if name.startswith(begin)), name)
