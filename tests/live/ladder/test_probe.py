"""The probe tells the truth about what can be checked from outside, and changes nothing on the machine that it looks at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.boundaries.findings import Finding, Held, findings
from lab.boundaries.look import Place, look, rungs_place
from machine.errors import Unavailable
from substrates import namespaces
from substrates.boundaries.reading import Reading
from substrates.docker import plain as plain_docker
from substrates.docker import substrate as docker
from substrates.inputs import artifact
from tests.live.conftest import missing

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
Whole = tuple[Reading, dict[str, Finding]]
OWN = (
    "processes",
    "host name",
    "System V objects",
    "users",
    "network",
    "mounts",
    "cgroup names",
    "root file system",
)
WATCHED = (
    "/proc/sysvipc/msg", "/proc/sysvipc/sem", "/proc/sysvipc/shm", "/proc/sys/kernel/hostname", "/proc/swaps",
    "/proc/sys/kernel/domainname", "/proc/modules", "/proc/sys/kernel/printk", "/proc/sys/vm/overcommit_memory",
)  # fmt: skip


def test_plain_process_sees_the_host(plain: Reading) -> None:
    """Without any rung the probe reads the same kernel, namespaces and memory as this test does."""
    here = Path("/proc/self/ns")
    kinds = ("pid", "net", "mnt", "uts", "ipc", "user", "cgroup")
    assert plain.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert {kind: plain.namespaces[kind] for kind in kinds} == {
        kind: str((here / kind).readlink()) for kind in kinds
    }
    assert (plain.release, plain.uid) == (os.uname().release, namespaces_user())
    assert plain.capabilities == 0
    assert plain.seccomp_mode == 0
    assert len(plain.calls) > 300


def namespaces_user() -> int:
    """The user that the lab's service runs as."""
    from machine.addresses import USER

    return USER


def test_whole_ladder_has_everything_of_its_own(whole: Whole) -> None:
    """On all rungs every namespace and the root are its own, the kernel is not, and nothing of the host's can be read."""
    found = whole[1]
    assert {name: found[name].state for name in OWN} == dict.fromkeys(OWN, "own")
    assert found["kernel"].state == "shared"
    assert found["host's files"].state == "absent"
    assert (
        found["capabilities"].state
        == found["new namespaces"].state
        == found["raw packets"].state
        == "refused"
    )


def test_filter_is_seen_from_inside(whole: Whole, plain: Reading) -> None:
    """The filter refuses what Docker's does, and a plain process is not refused these calls."""
    reading = whole[0]
    more = reading.refused_calls() - plain.refused_calls()
    assert reading.seccomp_mode == 2
    assert {
        "unshare",
        "setns",
        "bpf",
        "perf_event_open",
        "keyctl",
        "ptrace",
        "userfaultfd",
        "io_uring_setup",
    } <= more
    assert more.isdisjoint({"read", "write", "openat", "futex", "epoll_wait", "sendto"})


def test_limits_hold_on_the_whole_ladder_and_not_without(whole: Whole, plain: Reading) -> None:
    """Memory and processes end at the limit on all rungs; a plain process gets all it asks for. The test outlives both."""
    reading, found = whole
    assert (found["memory limit"].state, found["process limit"].state) == ("held", "held")
    assert reading.memory is not None
    assert reading.memory.signal == 9
    assert found["CPU limit"].state != "not held"
    plainly = findings(plain, plain, Held(1.0, 512 * 1024**2))
    assert (plainly["memory limit"].state, plainly["process limit"].state) == ("not held", "not held")


def test_probe_changes_nothing_and_leaves_nothing() -> None:
    """Asking every system call leaves the machine's settings and objects as they were, and no copy behind."""
    before = {path: Path(path).read_text() for path in WATCHED if Path(path).exists()}
    look(rungs_place("plain", ()), limits=False)
    assert {path: Path(path).read_text() for path in before} == before
    assert "vmlab-boot-98" not in namespaces.names()


def test_same_file_runs_in_a_container(prepared: object, plain: Reading) -> None:
    """In Docker the same program finds a shared kernel, own processes and Docker's filter, and its copy is gone afterwards."""
    found = artifact.load()
    try:
        pulled = plain_docker.fetch_image(found, "service")
    except Unavailable as error:
        missing(str(error))
        raise
    definition = plain_docker.definition(found, "service", "bridge", 0, 1.0, 512 * 1024**2)
    held = Held(1.0, 512 * 1024**2)
    try:
        reading = look(Place("docker", "docker", docker, definition, held), limits=False)
    finally:
        docker.remove_copies()
        if pulled:
            plain_docker.forget_image(pulled)
    seen = findings(reading, plain, held)
    assert (seen["kernel"].state, seen["processes"].state, seen["network"].state) == ("shared", "own", "own")
    assert reading.seccomp_mode == 2
    assert "container vmlab-boot-98" not in docker.everything_labelled()
