"""The isolation ladder: what lies between a process and a container, one kernel feature a rung, in order.

A rung is a small object: `describe()` states what it provides, `apply()` adds its system calls to a plan, `undo()` removes
what it leaves on the host when its supervisor was killed. `launcher` carries a plan out. Most rungs have nothing to undo:
namespaces, and the mounts in them, end with their last process.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from machine.errors import InvalidInput
from substrates.rungs.files import Chroot, Mount, PivotRoot, ReadOnly
from substrates.rungs.limits import Limits
from substrates.rungs.network import Network
from substrates.rungs.privileges import Capabilities, NoNewPrivileges, ResourceLimits, Seccomp
from substrates.rungs.rung import Rung
from substrates.rungs.spaces import Cgroup, Ipc, Pid, User, Uts

RUNGS: tuple[Rung, ...] = (
    Mount(),
    Chroot(),
    PivotRoot(),
    Pid(),
    Uts(),
    Ipc(),
    User(),
    Network(),
    Cgroup(),
    Limits(),
    NoNewPrivileges(),
    Capabilities(),
    Seccomp(),
    ReadOnly(),
    ResourceLimits(),
)
NAMES: tuple[str, ...] = tuple(rung.name for rung in RUNGS)
_BY_NAME = {rung.name: rung for rung in RUNGS}


def prefixes() -> list[tuple[str, ...]]:
    """Every beginning of the ladder, from nothing at all (fork and exec) to all of it.

    Without root `user` comes first, because without it the others are refused, and those that need root in any case are not
    there."""
    names = NAMES if os.geteuid() == 0 else ("user", *(name for name in without_root() if name != "user"))
    return [names[:count] for count in range(len(names) + 1)]


def chosen(names: Sequence[str]) -> list[Rung]:
    """These rungs, checked; InvalidInput states in one line what is wrong with the list."""
    seen: list[str] = []
    for name in names:
        if name not in _BY_NAME:
            raise InvalidInput(f"there is no rung {name!r}; the rungs are {', '.join(NAMES)}")
        if name in seen:
            raise InvalidInput(f"the rung {name!r} is listed twice")
        for need in _BY_NAME[name].needs:
            if need not in seen:
                raise InvalidInput(f"the rung {name!r} needs {need!r} before it")
        seen.append(name)
    if os.geteuid() != 0:
        _refuse_without_root(seen)
    return [_BY_NAME[name] for name in seen]


def check(names: Sequence[str]) -> None:
    """InvalidInput states in one line what is wrong with the list."""
    chosen(names)


def unprivileged() -> tuple[str, ...]:
    """Those that only drop privileges and isolate nothing: a bare process has them. Without root there are fewer."""
    names = ("no_new_privs", "capabilities", "rlimits")
    return names if os.geteuid() == 0 else tuple(name for name in names if not _BY_NAME[name].privileged)


def without_root(names: Sequence[str] = NAMES) -> tuple[str, ...]:
    """Those of the rungs that need no root where user namespaces are allowed."""
    return tuple(name for name in names if not _BY_NAME[name].root)


def _refuse_without_root(names: list[str]) -> None:
    asked = [name for name in names if _BY_NAME[name].root]
    if asked:
        raise InvalidInput(
            f"the rung {asked[0]!r} needs root; next: run it as root, or leave out {', '.join(asked)}"
        )
    privileged = [name for name in names if _BY_NAME[name].privileged]
    if privileged and "user" not in names:
        raise InvalidInput(f"the rung {privileged[0]!r} needs root, or the rung 'user' with it")
