"""What is isolated: a reading from inside compared with that of a plain process of the same machine (fork and exec, no rungs).

own: another one than the host's. shared: the host's. refused: it was tried, and denied. open: it is granted. absent: there
is none here. Of a limit: held, or not held. not visible: without a /proc nothing is known. A guest has its own kernel, and with
it everything that a kernel has, whatever the numbers inside are. Out of scope: what could be reached by an exploit;
nothing here attacks anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from catalogue import units
from substrates.boundaries.reading import Limit, Reading, Walk

OWN, SHARED, REFUSED, OPEN, HELD, NOT_HELD = "own", "shared", "refused", "open", "held", "not held"
ABSENT = "absent"
NO_SUCH_THING = (22, 97)  # EINVAL of a user that its map does not have, EAFNOSUPPORT
NOT_TRIED, HIDDEN = "not tried", "not visible"  # nothing is known, because there is no /proc
FILTER = 2  # the kernel's number for a seccomp filter
# Of the limit: the probe's own memory and its first processes come on top of what it requests.
HOLDS_WITHIN = 1.10
BUSY_BELOW = 0.80  # so little CPU indicates a busy machine, not a limit
KERNEL_FILES = (
    "/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/proc/keys", "/proc/timer_list", "/proc/interrupts",
    "/proc/modules", "/sys/kernel", "/sys/firmware", "/sys/module", "/dev/kmsg", "/dev/mem",
)  # fmt: skip
HOST_FILES = ("/home", "/var/lib", "/root", "/etc/shadow", "/run/docker.sock", "/run/libvirt")


@dataclass(frozen=True)
class Finding:
    """One boundary of one substrate: a word, and what was seen."""

    state: str
    text: str = ""


@dataclass(frozen=True)
class Held:
    """The limits of the copy."""

    cpus: float
    memory_bytes: int


def findings(inside: Reading, plain: Reading, held: Held) -> dict[str, Finding]:
    """Every boundary, in the order of the table."""
    return {
        "kernel": _kernel(inside, plain),
        **{name: _namespace(inside, plain, kind, text) for name, (kind, text) in _NAMESPACES.items()},
        "root file system": _root(inside, plain),
        "host's files": _host_files(inside, plain),
        "capabilities": _capabilities(inside),
        "capability bounds": _bounding(inside),
        "system calls": _calls(inside, plain),
        "new namespaces": _asked(inside, "a user namespace"),
        "raw packets": _asked(inside, "raw packets"),
        "hypervisor's socket": _asked(inside, "the hypervisor's socket"),
        "kernel settings": _settings(inside, plain),
        "kernel's files": _kernel_files(inside, plain),
        "devices": _devices(inside, plain),
        "memory it sees": _memory_seen(inside, plain),
        "memory limit": _memory_limit(inside.memory, held.memory_bytes),
        "process limit": _task_limit(inside.tasks),
        "CPU limit": _cpu_limit(inside.cpus, held.cpus),
        "open files": _open_files(inside, plain),
    }


_NAMESPACES: Mapping[str, tuple[str, Callable[[Reading], str]]] = {
    "processes": ("pid", lambda r: f"sees {r.processes}"),
    "host name": ("uts", lambda r: r.host_name),
    "System V objects": ("ipc", lambda r: ""),
    "users": ("user", lambda r: "" if r.user_map.endswith(" 4294967295") else f"map {r.user_map}"),
    "network": ("net", lambda r: ", ".join(r.links[:4]) + (f" … {len(r.links)}" if len(r.links) > 4 else "")),
    "mounts": ("mnt", lambda r: f"sees {r.mounts}"),
    "cgroup names": ("cgroup", lambda r: ""),
}


def own_kernel(inside: Reading, plain: Reading) -> bool:
    """The boot's id is the one clear proof, because releases may be equal by chance; without a /proc the release decides."""
    if inside.boot_id:
        return inside.boot_id != plain.boot_id
    return inside.release != plain.release


def _kernel(inside: Reading, plain: Reading) -> Finding:
    return Finding(_whose(own_kernel(inside, plain)), inside.release)


def _namespace(inside: Reading, plain: Reading, kind: str, text: Callable[[Reading], str]) -> Finding:
    """By inode; those of a kernel's first namespaces are constants, so a guest's equal the host's by number only."""
    if kind not in inside.namespaces:
        return Finding(HIDDEN)
    differs = inside.namespaces[kind] != plain.namespaces.get(kind)
    return Finding(_whose(own_kernel(inside, plain) or differs), text(inside))


def _root(inside: Reading, plain: Reading) -> Finding:
    own = own_kernel(inside, plain) or inside.root != plain.root
    options = inside.root_options.split(",")
    return Finding(_whose(own), "read-only" if "ro" in options else "may be written" if options[0] else "")


def _host_files(inside: Reading, plain: Reading) -> Finding:
    """Files of the host's that a plain process finds; a separate tree has others by the same names."""
    if own_kernel(inside, plain) or inside.root != plain.root:
        return Finding(ABSENT)
    found = [path for path in HOST_FILES if inside.paths.get(path) == "readable"]
    return Finding(SHARED if found else REFUSED, _some(found))


def _capabilities(inside: Reading) -> Finding:
    if not inside.namespaces:
        return Finding(HIDDEN)
    if inside.capabilities:
        return Finding(OPEN, f"{inside.capabilities.bit_count()} in use")
    count = inside.regainable.bit_count()
    return Finding(OPEN, f"{count} by a setuid program") if count else Finding(REFUSED, "none, permanently")


def _bounding(inside: Reading) -> Finding:
    """What no program of the copy can ever have; a second barrier behind no_new_privs."""
    if not inside.namespaces:
        return Finding(HIDDEN)
    count = inside.bounding.bit_count()
    return Finding(OPEN, f"{count} within bounds") if count else Finding(REFUSED, "none within bounds")


def _calls(inside: Reading, plain: Reading) -> Finding:
    """Those that a filter refuses, beyond what a plain process is refused for its lack of privileges."""
    if not inside.calls:
        return Finding(NOT_TRIED, "it runs as root")
    more = inside.refused_calls() - plain.refused_calls()
    if inside.seccomp_mode != FILTER:
        return Finding(OPEN, f"no filter, {len(inside.calls)} asked")
    return Finding(REFUSED, f"{len(more)} more of {len(inside.calls)}")


def _asked(inside: Reading, what: str) -> Finding:
    if what not in inside.asked:
        return Finding(NOT_TRIED)
    error = inside.asked[what]
    return Finding(OPEN if error == 0 else ABSENT if error in NO_SUCH_THING else REFUSED)


def _settings(inside: Reading, plain: Reading) -> Finding:
    if not inside.settings.seen:
        return Finding(HIDDEN)
    if own_kernel(inside, plain):
        return Finding(OWN, _usable(inside.settings))
    return Finding(SHARED if inside.settings.usable else REFUSED, _usable(inside.settings))


def _usable(walk: Walk) -> str:
    return f"{walk.usable} of {walk.seen} writable"


def _kernel_files(inside: Reading, plain: Reading) -> Finding:
    found = [path for path in KERNEL_FILES if inside.paths.get(path) == "readable"]
    if not inside.namespaces:
        return Finding(HIDDEN)
    if own_kernel(inside, plain):
        return Finding(OWN, f"{len(found)} of {len(KERNEL_FILES)}")
    return Finding(SHARED if found else REFUSED, f"{len(found)} of {len(KERNEL_FILES)} readable")


def _devices(inside: Reading, plain: Reading) -> Finding:
    """A separate /dev has a handful of entries; one that contains the host's disks is the host's."""
    found = inside.devices
    text = f"{found.seen}, {found.usable} usable" + (f", {found.block} disks" if found.block else "")
    if own_kernel(inside, plain):
        return Finding(OWN, text)
    return Finding(SHARED if found.seen * 2 > plain.devices.seen else OWN, text)


def _memory_seen(inside: Reading, plain: Reading) -> Finding:
    if not inside.memory_bytes:
        return Finding(HIDDEN)
    own = own_kernel(inside, plain) or inside.memory_bytes != plain.memory_bytes
    return Finding(_whose(own), units.quantity(inside.memory_bytes, units.BYTES))


def _memory_limit(tried: Limit | None, bytes_: int) -> Finding:
    if tried is None:
        return Finding(NOT_TRIED)
    text = f"{'ended' if tried.signal else 'stopped'} at {units.quantity(tried.got, units.BYTES)}"
    if tried.got >= tried.asked:
        return Finding(NOT_HELD, f"got {units.quantity(tried.got, units.BYTES)}")
    return Finding(HELD if tried.got <= bytes_ * HOLDS_WITHIN else NOT_HELD, text)


def _task_limit(tried: Limit | None) -> Finding:
    if tried is None:
        return Finding(NOT_TRIED)
    if tried.got >= tried.asked:
        return Finding(NOT_HELD, f"made {tried.got:.0f}")
    return Finding(HELD, f"stopped at {tried.got:.0f}")


def _cpu_limit(tried: Limit | None, cpus: float) -> Finding:
    """By how many CPUs were busy when more than the limit were requested."""
    if tried is None or tried.asked <= cpus:
        return Finding(NOT_TRIED)
    text = f"{tried.got:.2f} of {tried.asked:.0f} wanted"
    if tried.got > cpus * HOLDS_WITHIN:
        return Finding(NOT_HELD, text)
    if tried.got < cpus * BUSY_BELOW:
        return Finding(NOT_TRIED, f"machine busy: {text}")
    return Finding(HELD, text)


def _open_files(inside: Reading, plain: Reading) -> Finding:
    """By the hard limit, which a process may not raise."""
    if not inside.files_most:
        return Finding(HIDDEN)
    return Finding(SHARED if inside.files_most >= plain.files_most else HELD, f"{inside.files_most} at most")


def _whose(own: bool) -> str:
    return OWN if own else SHARED


def _some(names: list[str], most: int = 2) -> str:
    return ", ".join(names[:most]) + (f" … {len(names)}" if len(names) > most else "")
