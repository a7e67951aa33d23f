"""/dev/kvm as Debian's udev rule has it, on a machine without udev: group kvm, mode 0660.

libvirt asks QEMU as root what it can do, and keeps the answer only while the guests' user can open /dev/kvm too. Where
that user cannot, it probes again for each definition and each start: 2 to 4 s of two QEMUs (libvirt 9.0: "KVM was enabled
when probing, but it is not available now"). Out of scope: whether a guest runs under KVM (`substrates/vm/accelerator`).
"""

from __future__ import annotations

import grp
import os
import shutil
from pathlib import Path

DEVICE = Path("/dev/kvm")
GROUP = "kvm"
CLOSED, OPEN = 0o600, 0o660


def open_to_guests(device: Path = DEVICE) -> bool:
    """Give the device to its group where only root has it; whether that was done."""
    try:
        found, gid = device.stat(), grp.getgrnam(GROUP).gr_gid
    except (OSError, KeyError):
        return False
    if (found.st_uid, found.st_gid, found.st_mode & 0o777) != (0, 0, CLOSED):
        return False
    os.chown(device, 0, gid)
    device.chmod(OPEN)
    return True


def close(device: Path = DEVICE) -> None:
    """Undo that."""
    if device.exists():
        device.chmod(CLOSED)
        shutil.chown(device, 0, 0)
