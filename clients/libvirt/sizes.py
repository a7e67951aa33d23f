"""Memory and processors of a domain: changed on the running guest where it follows, and read back.

libvirt changes memory through the balloon and processors by hot plug; both need a driver in the guest.
Out of scope: sizes above the maximum of the definition, which need another domain.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clients.libvirt import connection, domains
from clients.libvirt.connection import asked, library
from clients.libvirt.description import DomainSpec, domain
from machine.errors import VmlabError
from machine.waiting import Deadline, answer_seconds

LIVE_SECONDS = 3.0  # for a guest to release memory, or to take it
REPORT_SECONDS = 3.0  # for the first report of a guest's balloon driver
STATISTICS_PAUSE_SECONDS = 0.05


def update(spec: DomainSpec, *, stop_seconds: float) -> domains.Found:
    """Memory and processors within their maximum, `cpus` and `autostart`: on the definition, and on the running guest.

    A guest that does not follow (no balloon driver, a processor that it does not release) is shut down and started
    again. VmlabError when it has another size even then."""
    handle = domains.owned(spec)
    with asked(f"cannot change the domain {spec.name}"):
        defined = replace(spec, uuid=handle.UUIDString())
        connection.open().defineXML(domain.to_xml(defined, connection.qemu_user()))
        handle.setAutostart(int(spec.autostart))
    if domains.read(handle).running and not _live(handle, spec):
        domains.stop(spec.name, stop_seconds)
        domains.start(spec.name)
        settle(spec, answer_seconds())
    return domains.read(handle)


def settle(spec: DomainSpec, seconds: float) -> None:
    """Wait until a guest with less than its maximum of memory has released the rest; VmlabError when it does not."""
    handle = domains.owned(spec)
    if not _comes_to_size(handle, spec, seconds):
        now = domains.read(handle).spec
        raise VmlabError(
            f"the guest {spec.name} uses {now.memory_bytes} bytes and {now.vcpus} processors, not {spec.memory_bytes} "
            f"and {spec.vcpus}; below the maximum it needs the module virtio_balloon: load it, or make "
            "max_memory_bytes smaller"
        )


def limited_cpus(name: str, vcpus: int) -> float:
    """CPUs that QEMU's vCPU threads may use together, from the quota in their control group; `vcpus` without a quota.

    libvirt reads the live scheduler parameters from the kernel, not from its own description."""
    libvirt = library()
    with asked(f"cannot read the CPU quota of the guest {name}"):
        handle = connection.open().lookupByName(name)
        found = handle.schedulerParametersFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE)
    quota, period = found.get("vcpu_quota", -1), found.get("vcpu_period", 0)
    return min(float(vcpus), quota / period * vcpus) if quota > 0 and period else float(vcpus)


def memory_seen_bytes(name: str, wanted: str = "available") -> dict[str, int]:
    """What the guest's own kernel reports through its balloon, in bytes: `available` (MemTotal) and `usable`
    (MemAvailable), among others; at most
    1 s old. `wanted` is waited for; {} where the guest has no balloon driver."""
    with asked(f"cannot read the memory statistics of the guest {name}"):
        handle = connection.open().lookupByName(name)
        handle.setMemoryStatsPeriod(1, 0)
        deadline = Deadline(REPORT_SECONDS)
        while wanted not in (reported := handle.memoryStats()) and deadline.pause(STATISTICS_PAUSE_SECONDS):
            pass
    return {key: kib * 1024 for key, kib in reported.items()} if wanted in reported else {}


def _live(handle: Any, spec: DomainSpec) -> bool:
    """Change the running guest; whether it followed."""
    libvirt, now = library(), domains.read(handle).spec
    quota = {"vcpu_period": domain.PERIOD_MICROSECONDS, "vcpu_quota": domain.quota_microseconds(spec)}
    try:
        if now.memory_bytes != spec.memory_bytes:
            handle.setMemoryFlags(spec.memory_bytes // 1024, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        if now.vcpus != spec.vcpus:
            handle.setVcpusFlags(spec.vcpus, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        if domain.quota_microseconds(now) != quota["vcpu_quota"]:
            handle.setSchedulerParametersFlags(quota, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError:
        return False
    return _comes_to_size(handle, spec, LIVE_SECONDS)


def _comes_to_size(handle: Any, spec: DomainSpec, seconds: float) -> bool:
    return Deadline(seconds).until(
        lambda: _size(domains.read(handle).spec) == _size(spec), domains.PAUSE_SECONDS
    )


def _size(spec: DomainSpec) -> tuple[int, int, int]:
    return spec.memory_bytes, spec.vcpus, domain.quota_microseconds(spec)
