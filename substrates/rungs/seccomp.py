"""The seccomp filter: a table of the calls that a service may make, as a program for the kernel's packet filter machine.

An allow list, as Docker's default profile is, and shorter (syscalls.txt). Four calls are decided by their arguments: clone
may not make namespaces, clone3 does not exist (its flags are out of a filter's sight, and libc falls back to clone),
personality may only be the ordinary one, and a socket may only be local, IPv4, IPv6 or netlink. What is refused fails with
EPERM; numbers that are newer than any program may rely on fail with ENOSYS, so that libc tries the older call.

Numbers are searched in a tree, not in a row: on attaching, the kernel runs the program once for every number to learn which
ones it need not look up a second time. Out of scope: machines other than x86_64 and aarch64; their 32-bit modes are refused.
"""

from __future__ import annotations

import platform
import struct
from functools import cache
from pathlib import Path

from machine.errors import Unavailable

TABLE = Path(__file__).with_name("syscalls.txt")
ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
NEW_FROM = 424  # pidfd_send_signal: from here on numbers are the same on every machine
NAMESPACES = 0x7E020000  # every CLONE_NEW flag but CLONE_NEWTIME, which clone(2) does not take
FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
PERSONALITIES = (0, 0xFFFFFFFF)  # PER_LINUX, and asking
MACHINES = {  # column in the table, audit architecture, and the four calls that are decided by their arguments
    "x86_64": (1, 0xC000003E, {"clone": 56, "clone3": 435, "personality": 135, "socket": 41}),
    "aarch64": (2, 0xC00000B7, {"clone": 220, "clone3": 435, "personality": 92, "socket": 198}),
}

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # places in struct seccomp_data
Code = list[tuple[int, int, int, int]]


def program(machine: str = "") -> bytes:
    """The filter for this machine, sock_filter structures of 8 bytes; Unavailable where its numbers are not known."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in _program(_known(machine)))


def allowed(machine: str = "") -> dict[str, int]:
    """The calls that are always let through, by name."""
    column = MACHINES[_known(machine)][0]
    rows = [row.split() for row in TABLE.read_text().splitlines() if not row.startswith("#")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def _known(machine: str) -> str:
    machine = machine or platform.machine()
    if machine not in MACHINES:
        raise Unavailable(
            f"the numbers of the system calls of {machine} are not known", "leave out the rung 'seccomp'"
        )
    return machine


@cache
def _program(machine: str) -> Code:
    _, architecture, by_argument = MACHINES[machine]
    verdicts = dict.fromkeys(allowed(machine).values(), ALLOW)
    code: Code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, EPERM),
        (_LOAD, 0, 0, _NUMBER),
    ]
    code += _when(by_argument["clone3"], [(_RETURN, 0, 0, ENOSYS)])
    no_namespaces: Code = [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_AND, 0, 0, NAMESPACES), *_among((0,))]
    code += _when(by_argument["clone"], no_namespaces)
    code += _when(by_argument["socket"], [(_LOAD, 0, 0, _FIRST_ARGUMENT), *_among(FAMILIES)])
    code += _when(by_argument["personality"], [(_LOAD, 0, 0, _FIRST_ARGUMENT), *_among(PERSONALITIES)])
    return code + _tree(_ranges(verdicts))


def _when(number: int, then: Code) -> Code:
    return [(_JUMP_EQUAL, 0, len(then), number), *then]


def _among(values: tuple[int, ...]) -> Code:
    """Let through when what was loaded is one of these."""
    tests: Code = [(_JUMP_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [*tests, (_RETURN, 0, 0, EPERM), (_RETURN, 0, 0, ALLOW)]


def _ranges(verdicts: dict[int, int]) -> list[tuple[int, int]]:
    """Where the verdict changes: first number and what holds from it on."""
    found: list[tuple[int, int]] = []
    for number in range(max(verdicts) + 2):
        verdict = verdicts.get(number, EPERM if number < NEW_FROM else ENOSYS)
        if not found or found[-1][1] != verdict:
            found.append((number, verdict))
    return [*found, (0x40000000, EPERM)]  # x86's third mode has its numbers up there


def _tree(ranges: list[tuple[int, int]]) -> Code:
    if len(ranges) == 1:
        return [(_RETURN, 0, 0, ranges[0][1])]
    middle = len(ranges) // 2
    low, high = _tree(ranges[:middle]), _tree(ranges[middle:])
    if len(low) > 255:
        raise ValueError("the filter's tree is too deep for a jump of a byte")
    return [(_JUMP_AT_LEAST, len(low), 0, ranges[middle][0]), *low, *high]
