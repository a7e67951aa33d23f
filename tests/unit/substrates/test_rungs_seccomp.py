"""The seccomp filter, run through a small machine of the kind that the kernel has."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machine.errors import Unavailable
from substrates.rungs import seccomp

X86, ARM = 0xC000003E, 0xC00000B7
ARCHITECTURES = {"x86_64": X86, "aarch64": ARM}
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
# What Docker's documentation lists as blocked by its default profile, with what came later.
# fmt: off
BLOCKED = [
    "acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "create_module", "delete_module", "finit_module",
    "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms", "get_mempolicy", "init_module",
    "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load",
    "kexec_load", "keyctl", "lookup_dcookie", "mbind", "mount", "mount_setattr", "move_mount", "move_pages",
    "nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open", "pidfd_getfd", "pivot_root",
    "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace", "query_module", "quotactl", "reboot",
    "request_key", "set_mempolicy", "setdomainname", "sethostname", "setns", "settimeofday", "stime", "swapoff",
    "swapon", "_sysctl", "sysfs", "syslog", "umount", "umount2", "unshare", "uselib", "userfaultfd", "ustat",
    "vhangup", "chroot",
]
# fmt: on


def run(machine: str, number: int, first: int = 0, architecture: int | None = None) -> int:
    """The verdict on a call with this number and first argument."""
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    chosen = ARCHITECTURES[machine] if architecture is None else architecture
    data = struct.pack("=IIQ6Q", number, chosen, 0, first, 0, 0, 0, 0, 0)
    at, held = 0, 0
    for _ in range(len(code)):
        operation, if_so, if_not, value = code[at]
        at += 1
        if operation == 0x20:
            held = struct.unpack_from("=I", data, value)[0]
        elif operation == 0x54:
            held &= value
        elif operation in (0x15, 0x35):
            at += if_so if (held == value if operation == 0x15 else held >= value) else if_not
        else:
            assert operation == 0x06
            return int(value)
    raise AssertionError("the filter does not end")


def numbers(machine: str) -> dict[str, int]:
    """The kernel headers' own numbers."""
    if not HEADERS[machine].exists():
        pytest.skip("no kernel headers here")
    rows = re.finditer(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", HEADERS[machine].read_text())
    found = {row[1]: int(row[2]) for row in rows}
    return found | ({"newfstatat": found["fstatat"]} if "fstatat" in found else {})


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_the_tables_numbers_are_the_kernels(machine: str) -> None:
    """Every name in the table has the number that the kernel's headers give it, on both machines."""
    known = numbers(machine)

    assert {name: known[name] for name in seccomp.allowed(machine)} == seccomp.allowed(machine)
    assert {name: known[name] for name in seccomp.MACHINES[machine][2]} == seccomp.MACHINES[machine][2]


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_what_docker_blocks_is_blocked(machine: str) -> None:
    """None of the calls that Docker's default profile is known to block is let through."""
    known = numbers(machine)
    asked = [name for name in BLOCKED if name in known]

    assert len(asked) > 40
    assert [name for name in asked if run(machine, known[name]) == seccomp.ALLOW] == []


@given(number=st.integers(0, 600), machine=st.sampled_from(sorted(seccomp.MACHINES)))
def test_the_filter_is_the_table(number: int, machine: str) -> None:
    """A call is let through just if it is in the table; a refused one gets EPERM, a newer one ENOSYS."""
    by_argument = seccomp.MACHINES[machine][2].values()
    allowed = number in seccomp.allowed(machine).values()
    verdict = run(machine, number)

    if number not in by_argument:
        refused = seccomp.EPERM if number < seccomp.NEW_FROM else seccomp.ENOSYS
        assert verdict == (seccomp.ALLOW if allowed else refused)


@given(number=st.integers(0, 0xFFFFFFFF), architecture=st.integers(0, 0xFFFFFFFF))
def test_other_modes_of_the_machine_are_refused(number: int, architecture: int) -> None:
    """With another architecture's calls, 32-bit ones for instance, everything is refused."""
    if architecture != X86:
        assert run("x86_64", number, architecture=architecture) == seccomp.EPERM


@given(number=st.integers(0x40000000, 0xFFFFFFFF))
def test_the_third_mode_is_refused(number: int) -> None:
    """Numbers of x32, and negative ones, are refused."""
    assert run("x86_64", number) == seccomp.EPERM


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_calls_decided_by_their_arguments(machine: str) -> None:
    """Threads and processes, local and internet sockets, the ordinary personality; no namespaces, no other sockets."""
    number = seccomp.MACHINES[machine][2]
    thread, process = 0x003D0F00, 0x01200011

    assert [run(machine, number["clone"], flags) for flags in (thread, process)] == [seccomp.ALLOW] * 2
    for bit in range(32):
        verdict = run(machine, number["clone"], process | 1 << bit)
        assert verdict == (seccomp.EPERM if 1 << bit & seccomp.NAMESPACES else seccomp.ALLOW), hex(1 << bit)
    assert run(machine, number["clone3"]) == seccomp.ENOSYS
    opened = {family for family in range(64) if run(machine, number["socket"], family) == seccomp.ALLOW}
    assert opened == {1, 2, 10, 16}
    asked = (0, 0xFFFFFFFF, 8, 0x0040000)
    assert [run(machine, number["personality"], one) == seccomp.ALLOW for one in asked] == [
        True,
        True,
        False,
        False,
    ]


def test_an_unknown_machine() -> None:
    """Where the numbers are not known the rung is unavailable, not empty."""
    with pytest.raises(Unavailable, match="riscv64"):
        seccomp.program("riscv64")
