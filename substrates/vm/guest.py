"""What guests boot from, read from the index that `host.guest` writes: kernels, the initramfs, disks.

Out of scope: building them (`host/guest`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import places
from machine.errors import Unavailable
from machine.files import read_json
from substrates.inputs.artifact import Artifact

INDEX = "guest.json"
# Skips what a boot does not need. loglevel 6 shows the kernel's first line and its warnings. The self-tests of the
# kernel's ciphers took 0.22 s under emulation, patching its locks for one processor 0.14 s.
COMMAND_LINE = (
    "console=ttyS0 loglevel=6 panic=-1 tsc=reliable no_timer_check random.trust_cpu=on cryptomgr.notests "
    "noreplace-smp"
)
# On the older `pc`, routing interrupts by ACPI took 0.13 s a virtio device; acpi=noirq avoids that and disables MSI-X.
MACHINE = "q35"
# systemd's own account of the boot is one of its messages.
FULL_COMMAND_LINE = "systemd.log_target=console systemd.log_level=info systemd.show_status=0"
FIX = "vmlab host up guest"


@dataclass(frozen=True)
class Kernel:
    """One kernel with the initramfs that has its drivers."""

    release: str  # `uname -r` in the guest
    image: Path
    initramfs: Path


def folder() -> Path:
    """The cache folder of everything that guests boot from."""
    return places.cache() / "guest"


def index() -> dict[str, Any]:
    """The whole index; empty when nothing was built."""
    return read_json(folder() / INDEX) or {}


def kernel(name: str = "default") -> Kernel:
    """The kernel `default` or `other`; Unavailable with the reason when it was not built."""
    found = index().get("kernels", {}).get(name)
    if found is None or not Path(found["image"]).exists():
        reason = index().get("absent", {}).get(name) or "it was not built on this machine"
        raise Unavailable(f"no guest kernel {name!r}: {reason}", FIX)
    return Kernel(found["release"], Path(found["image"]), Path(found["initramfs"]))


def disk(artifact: Artifact, variant: str) -> Path:
    """The read-only disk of an artifact's variant (slim, full)."""
    path = folder() / "disks" / artifact.root.parent.name / f"{variant}.raw"
    if not path.exists():
        raise Unavailable(f"the guest disk {variant!r} of {artifact.name!r} was not built ({path})", FIX)
    return path


def empty_disk() -> Path:
    """A formatted disk without files, from which data volumes are copied."""
    path = folder() / "disks" / "empty.raw"
    if not path.exists():
        raise Unavailable(f"the empty guest disk was not built ({path})", FIX)
    return path
