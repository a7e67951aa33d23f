"""Who may open /dev/kvm: this user, and the user that libvirt's guests run as.

Out of scope: whether it works once it is open (`prove`).
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

DEVICE = Path("/dev/kvm")
QEMU_USER = "libvirt-qemu"  # Debian's libvirt runs guests as this user
ACCESS_LIST = "system.posix_acl_access"


def obstacle() -> str:
    """Why this user cannot open /dev/kvm; empty when it can."""
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return (
            "there is no /dev/kvm: the CPU or the machine around this one offers no virtualisation, "
            "or the kvm module is not loaded (modprobe kvm_intel or kvm_amd)"
        )
    except PermissionError:
        user = pwd.getpwuid(os.geteuid()).pw_name
        return f"/dev/kvm cannot be opened: {user} {_not_allowed(DEVICE.stat(), user)}"
    except OSError as error:
        return f"/dev/kvm cannot be opened: {error.strerror}"
    return ""


def excluded_user() -> str:
    """Why libvirt's guests cannot open /dev/kvm although this user can; empty when they can, or there is no such user.

    An access list is not read: where there is one, it is assumed to admit them."""
    try:
        account, found = pwd.getpwnam(QEMU_USER), DEVICE.stat()
        if ACCESS_LIST in os.listxattr(DEVICE):
            return ""
    except (KeyError, OSError):
        return ""
    groups = os.getgrouplist(QEMU_USER, account.pw_gid)
    if found.st_uid == account.pw_uid:
        wanted = stat.S_IRUSR | stat.S_IWUSR
    elif found.st_gid in groups:
        wanted = stat.S_IRGRP | stat.S_IWGRP
    else:
        wanted = stat.S_IROTH | stat.S_IWOTH
    if found.st_mode & wanted == wanted:
        return ""
    return f"libvirt runs them as {QEMU_USER}, which {_not_allowed(found, QEMU_USER, str(DEVICE))}"


def _not_allowed(found: os.stat_result, user: str, device: str = "it") -> str:
    """The mode and group, and the command that admits the user; a device that only root may open gets a group first."""
    owner, mode = _name_of_group(found.st_gid), stat.S_IMODE(found.st_mode)
    shown = f"may not open {device} (mode {mode:04o}, group {owner})"
    if mode & 0o060 != 0o060 or found.st_gid == 0:
        return f"{shown}; chgrp kvm /dev/kvm && chmod 0660 /dev/kvm && usermod -aG kvm {user}"
    return f"{shown}; usermod -aG {owner} {user}, and log in again"


def _name_of_group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
