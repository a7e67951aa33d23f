"""The metrics: the only place where the name and the unit of each are spelled.

Of all of them less is better. A metric `by` something has one value for each part (of a boot, of a control plane), and is not a
row of a comparison's metrics. Samples of metrics that are not listed here are kept and shown all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from catalogue.units import BOOTS, BYTES, RATIO, SECONDS


@dataclass(frozen=True)
class Metric:
    """What is measured: between which two instants, or of what. `heading` is its column's in the table of a run."""

    name: str
    unit: str
    meaning: str
    heading: str = ""
    by: str = ""


BOOT = Metric(
    "boot_seconds",
    SECONDS,
    "from just before the create call to the last byte of the first valid answer",
    "boot",
)
PHASE = Metric("phase_seconds", SECONDS, "from one milestone of a boot to the next", by="phase")
BOOT_CHECK = Metric(
    "boot_check_seconds",
    SECONDS,
    "a guest's own account of its boot (systemd), by the guest's clock",
    by="part",
)
BOOT_COLD_IMAGE = Metric(
    "boot_cold_image_seconds", SECONDS, "`boot_seconds` with an image the node has not cached"
)
BOOT_FAILED = Metric("boot_failed", BOOTS, "boots without a valid answer; counted, never averaged")
MEMORY_PSS = Metric(
    "memory_pss_bytes", BYTES, "PSS of every process the copy needs, after the first answer", "memory"
)
MEMORY_CGROUP = Metric("memory_cgroup_bytes", BYTES, "usage of the copy's control group, caches included")
MEMORY_GUEST = Metric("memory_guest_bytes", BYTES, "what the guest's kernel reports as used")
MEMORY_HOST = Metric(
    "memory_host_bytes", BYTES, "decrease of this machine's available memory from before the boot to after it"
)
DISK_IMAGE = Metric("disk_image_bytes", BYTES, "the image that all copies share", "disk image")
DISK_INSTANCE = Metric("disk_instance_bytes", BYTES, "what one copy adds on disk", "own")
CPU_IDLE = Metric(
    "cpu_idle_ratio", RATIO, "CPU time of the idle copy over one second, per second", "idle CPU"
)
CPU_REQUESTS = Metric(
    "cpu_seconds_per_1000_requests",
    SECONDS,
    "CPU time for 1,000 requests over kept-alive connections",
    "CPU/1000",
)
SHUTDOWN = Metric(
    "shutdown_seconds", SECONDS, "from a graceful shutdown request (ACPI, SIGTERM) until it ended"
)
DESTROY = Metric("destroy_seconds", SECONDS, "from forced termination until the copy is removed", "destroy")
FIXED_PSS = Metric("fixed_pss_bytes", BYTES, "PSS of what runs without any copy: node and control plane")
FIXED_PART = Metric("fixed_part_bytes", BYTES, "the same for each program", by="part")
FIXED_CPU = Metric("fixed_cpu_ratio", RATIO, "CPU time of the same over 3 idle seconds, per second")
FIXED_READY = Metric(
    "fixed_ready_seconds", SECONDS, "the last cold start: from nothing to a node that is Ready"
)
PULUMI_UP = Metric("pulumi_up_seconds", SECONDS, "`up` of the stack, the engine's start included")
PULUMI_DESTROY = Metric(
    "pulumi_destroy_seconds", SECONDS, "`destroy` of the stack, the engine's start included"
)

ALL = tuple(row for row in globals().values() if isinstance(row, Metric))
IN_PARTS = frozenset(row.name for row in ALL if row.by)
