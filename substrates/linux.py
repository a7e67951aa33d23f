"""The system calls that Python has no function for: the only module that touches ctypes.

Each wrapper is one call, takes and gives plain values, and fails with an OSError that has the call's name in it. They act
on the calling thread, and most cannot be taken back. The product uses only the constants, which are the kernel's
(include/uapi/linux), and none of the wrappers: for a service launcher.c of `substrates.rungs` makes these calls in a process
of its own, and here they are for tests, which try them one by one. Left out: waiting, policy, and calls that `os` has.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
# Of mount_setattr(2), which only adds to what a mount has; the four have the same values as above.
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8

PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS = 38, 39
RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_NOFILE = 4, 6, 7

_CAPABILITY_VERSION = 0x20080522
_CALLS = {  # pivot_root, capget, capset, mount_setattr have no wrapper in every libc
    "x86_64": {"pivot_root": 155, "capget": 125, "capset": 126, "mount_setattr": 442},
    "aarch64": {"pivot_root": 41, "capget": 90, "capset": 91, "mount_setattr": 442},
}
_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """struct sock_fprog: how many instructions, and where."""

    _fields_ = (("count", ctypes.c_ushort), ("code", ctypes.c_void_p))


def unshare(flags: int) -> None:
    """Leave the namespaces of these CLONE_NEW flags for new ones. CLONE_NEWUSER is refused in a process with threads."""
    _made("unshare", _libc.unshare(ctypes.c_int(flags)))


def setns(path: Path, flag: int = 0) -> None:
    """Enter the namespace of this file, /proc/<pid>/ns/<kind>; a `flag` other than 0 says which kind it must be."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _made("setns", _libc.setns(ctypes.c_int(file), ctypes.c_int(flag)))
    finally:
        os.close(file)


def mount(source: str, target: Path, kind: str, flags: int, options: str = "") -> None:
    """Mount, or with MS_BIND show `source` at `target` too."""
    words = [os.fsencode(word) if word else None for word in (source, str(target), kind)]
    data = os.fsencode(options) if options else None
    _made("mount", _libc.mount(*words, ctypes.c_ulong(flags), data))


def mount_setattr(target: Path, attributes: int) -> None:
    """Add MOUNT_ATTR flags to one mount, and keep those that it has."""
    packed = ctypes.create_string_buffer(struct.pack("=QQQQ", attributes, 0, 0, 0), 32)
    at_working_directory = ctypes.c_int(-100)
    _call(
        "mount_setattr",
        at_working_directory,
        os.fsencode(target),
        ctypes.c_uint(0),
        packed,
        ctypes.c_size_t(32),
    )


def umount(target: Path, flags: int = 0) -> None:
    """Unmount; with MNT_DETACH also what is still used."""
    _made("umount2", _libc.umount2(os.fsencode(target), ctypes.c_int(flags)))


def pivot_root(new: Path, old: Path) -> None:
    """Make `new`, a mount, the root of this mount namespace, and put the root of before at `old`."""
    _call("pivot_root", os.fsencode(new), os.fsencode(old))


def sethostname(name: str) -> None:
    """Name this UTS namespace."""
    raw = name.encode()
    _made("sethostname", _libc.sethostname(raw, ctypes.c_size_t(len(raw))))


def no_new_privileges() -> None:
    """From now on no program gains privileges by being executed; for good."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def has_no_new_privileges() -> bool:
    """Whether that is so."""
    return bool(_prctl(PR_GET_NO_NEW_PRIVS))


def drop_bounding(capability: int) -> None:
    """Take a capability out of the bounding set; for good."""
    _prctl(PR_CAPBSET_DROP, capability)


def is_bounding(capability: int) -> bool:
    """Whether the bounding set has it; OSError for one that this kernel does not know."""
    return bool(_prctl(PR_CAPBSET_READ, capability))


def capget() -> tuple[int, int, int]:
    """The effective, permitted and inheritable capabilities of this thread, each a bit mask."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0), 8)
    data = ctypes.create_string_buffer(24)
    _call("capget", header, data)
    low = struct.unpack("=6I", data.raw)
    return low[0] | low[3] << 32, low[1] | low[4] << 32, low[2] | low[5] << 32


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set the capabilities of this thread; what is given up does not come back."""
    masks = (effective, permitted, inheritable)
    low, high = [mask & 0xFFFFFFFF for mask in masks], [mask >> 32 for mask in masks]
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0), 8)
    _call("capset", header, ctypes.create_string_buffer(struct.pack("=6I", *low, *high), 24))


def seccomp(program: bytes) -> None:
    """Hold this thread and its children to a filter: sock_filter structures of 8 bytes. Wants no_new_privileges first."""
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = _Program(len(program) // 8, ctypes.cast(code, ctypes.c_void_p))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(filter_))


def _prctl(option: int, *arguments: int) -> int:
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:4]]
    return _made("prctl", _libc.prctl(ctypes.c_int(option), *words))


def _call(name: str, *arguments: object) -> None:
    number = _CALLS.get(platform.machine(), {}).get(name)
    if number is None:
        raise OSError(38, f"{name}: its number on {platform.machine()} is not known")
    _made(name, _libc.syscall(ctypes.c_long(number), *arguments))


def _made(name: str, result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result
