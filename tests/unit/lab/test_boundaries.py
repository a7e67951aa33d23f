"""Whose is what: readings held against each other, and the table that comes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.boundaries import table as tables
from lab.boundaries.findings import Finding, Held, findings
from lab.boundaries.look import bounds
from machine.errors import VmlabError
from substrates.boundaries.reading import Limit, Reading, Walk

MIB = 1024**2
HELD = Held(1.0, 512 * MIB)
KINDS = ("pid", "uts", "ipc", "user", "net", "mnt", "cgroup")
PLAIN = Reading(
    release="6.1", boot_id="aaaa", host_name="host", uid=65532, user_map="0 0 4294967295",
    namespaces={kind: f"{kind}:[1]" for kind in KINDS}, processes=140, root=(0, 1, 2), root_options="rw", mounts=20,
    links=["lo", "eth0"], capabilities=0, regainable=0xFF, bounding=0xFF, no_new_privileges=False, seccomp_mode=0,
    calls={"read": 14, "mount": 1, "bpf": 7, "unshare": 22}, asked={"a user namespace": 0, "raw packets": 1},
    settings=Walk(1000, 1), devices=Walk(100, 10, block=4), paths={"/home": "readable", "/proc/keys": "readable"},
    memory_bytes=8 << 30, processors=2, files_most=20000,
    memory=Limit(640 * MIB, 640 * MIB), tasks=Limit(700, 700), cpus=Limit(2, 1.9),
)  # fmt: skip
CONTAINER = replace(
    PLAIN, namespaces={kind: f"{kind}:[2]" for kind in KINDS}, processes=2, root=(0, 9, 9), root_options="ro",
    regainable=0, bounding=0, no_new_privileges=True, seccomp_mode=2, devices=Walk(6, 6), settings=Walk(900, 0),
    calls={"read": 14, "mount": 1, "bpf": 1, "unshare": 1}, asked={"a user namespace": 1, "raw packets": 1}, paths={},
    memory=Limit(640 * MIB, 508 * MIB, signal=9), tasks=Limit(700, 254, error=11), cpus=Limit(2, 0.99), files_most=1024,
)  # fmt: skip


def states(inside: Reading) -> dict[str, str]:
    """The word of every boundary."""
    return {name: finding.state for name, finding in findings(inside, PLAIN, HELD).items()}


def test_plain_process_shares_everything() -> None:
    """Compared with itself a plain process has nothing of its own, and no limit holds it."""
    found = states(PLAIN)
    assert "own" not in found.values()
    assert (found["kernel"], found["network"], found["host's files"]) == ("shared", "shared", "shared")
    assert (found["memory limit"], found["process limit"], found["CPU limit"]) == ("not held",) * 3
    assert (found["new namespaces"], found["raw packets"], found["system calls"]) == (
        "open",
        "refused",
        "open",
    )


def test_container_shares_the_kernel_alone() -> None:
    """Other inodes are own namespaces; the boot id is the host's; limits hold; the filter's calls come on top."""
    found = findings(CONTAINER, PLAIN, HELD)
    assert found["kernel"].state == "shared"
    assert {
        found[name].state
        for name in ("processes", "users", "network", "mounts", "root file system", "devices")
    } == {"own"}
    assert found["system calls"] == Finding("refused", "2 more of 4")
    assert found["capabilities"] == Finding("refused", "none, permanently")
    assert {found[name].state for name in ("memory limit", "process limit", "CPU limit", "open files")} == {
        "held"
    }


def test_guest_has_its_own_kernel_and_all_that_comes_with_it() -> None:
    """The first namespaces of a guest have the host's numbers by definition; by the boot id they are its own all the same."""
    found = states(replace(PLAIN, boot_id="bbbb"))
    for name in ("kernel", "processes", "users", "network", "root file system", "kernel settings", "devices"):
        assert found[name] == "own", name
    assert found["host's files"] == "absent"


def test_without_proc_nothing_is_claimed() -> None:
    """In a chroot without /proc namespaces cannot be seen: neither own nor shared, and the kernel is judged by its release."""
    blind = replace(
        PLAIN, boot_id="", namespaces={}, settings=Walk(0, 0), memory_bytes=0, files_most=0, root=(0, 9, 9)
    )
    found = states(blind)
    for name in ("processes", "network", "capabilities", "kernel settings", "memory it sees", "open files"):
        assert found[name] == "not visible", name
    assert (found["kernel"], found["root file system"]) == ("shared", "own")


@pytest.mark.parametrize(("cpus", "state"), [(1.9, "not held"), (1.02, "held"), (0.5, "not tried")])
def test_cpu_limit_needs_a_machine_with_time(cpus: float, state: str) -> None:
    """Little CPU on a busy machine does not prove a limit; more than the limit proves that it does not hold."""
    assert states(replace(PLAIN, cpus=Limit(2, cpus)))["CPU limit"] == state


def test_root_is_asked_for_no_calls() -> None:
    """Where the probe found itself root it tried nothing, and the table states that and claims nothing."""
    assert states(replace(PLAIN, calls={}, asked={}))["system calls"] == "not tried"


def test_bounds_are_beyond_the_limit_and_within_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is asked for beyond the limit, but not at all when this machine has not twice that."""
    monkeypatch.setattr("lab.boundaries.look.processes.available_bytes", lambda: 4 << 30)
    assert bounds(HELD) == {"PROBE_MEMORY": str(640 * MIB), "PROBE_TASKS": "700", "PROBE_CPUS": "2"}
    monkeypatch.setattr("lab.boundaries.look.processes.available_bytes", lambda: 1 << 30)
    assert bounds(HELD)["PROBE_MEMORY"] == "0"


def test_every_form_says_the_same(tmp_path: Path) -> None:
    """Terminal, Markdown and HTML have each boundary of each column, the cost, and why one is missing; HTML is escaped."""
    found = {"plain": findings(PLAIN, PLAIN, HELD), "<docker>": findings(CONTAINER, PLAIN, HELD)}
    costs = {"plain": {"boot_seconds": {"median": 0.0123}}}
    table = tables.table(found, {"vm": VmlabError("it is not up", "vmlab up vm")}, costs)
    for form in (tables.text(table), tables.markdown(table), tables.html(table)):
        for word in ("root file system", "own: read-only", "12.3 ms", "it is not up"):
            assert word in form
    assert "<docker>" not in tables.html(table)
    assert max(map(len, tables.text(table).splitlines())) <= 110


def test_what_was_looked_at_before_is_kept(tmp_path: Path) -> None:
    """Looking at one more substrate adds a column; looking again replaces it; a broken file is as good as none."""
    (tmp_path / tables.FILE).write_text("{")
    one = tables.table({"a": {"kernel": Finding("own", "1")}}, {}, {})
    two = tables.table({"b": {"kernel": Finding("own", "2")}}, {"a": VmlabError("gone")}, {})
    tables.keep(one, tmp_path)
    tables.keep(two, tmp_path)
    kept = tables.load(tmp_path)
    assert kept is not None
    assert kept["substrates"]["a"]["available"] is True
    assert kept["substrates"]["b"]["boundaries"]["kernel"]["text"] == "2"
