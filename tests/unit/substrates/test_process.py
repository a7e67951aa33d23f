"""The bare process: how it is started, limited, found again and removed. As root it is another user, else the same one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from machine import addresses, ports, processes
from machine.commands import launch as start_process
from machine.errors import InvalidInput, NeverAnswered, VmlabError
from machine.waiting import Deadline
from substrates import process
from substrates.contract import Limits, Request, Slot
from substrates.copies import launch, life, records
from tests.unprivileged import NOBODY, as_nobody

PYTHON = getattr(sys, "_base_executable", sys.executable)
SERVER = """
import os, signal, socket, subprocess, sys
{extra}
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("vmlab-service listening monotonic_ns=%d" % __import__("time").monotonic_ns(), flush=True)
while True:
    link, _ = server.accept()
    link.recv(4096)
    body = os.environ.get("NONCE", "hello").encode()
    link.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    link.close()
"""
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
FORKING = "subprocess.Popen(['/bin/sleep', '600'])"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def free_port() -> int:
    """A port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def definition(extra: str = "", **changed: object) -> process.Definition:
    """A server in a line of Python."""
    command = ["/usr/bin/env", "python3", "-I", "-S", "-c", SERVER.format(extra=extra), "{port}"]
    command[:2] = ["/usr/bin/python3"] if Path("/usr/bin/python3").exists() else [PYTHON]
    base = process.define(
        name="vmlab-try", command=command, port=free_port(), health="/", cpus=1.0, memory_bytes=64 * 1024**2
    )
    return replace(base, **changed)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _swept(home: Path) -> Iterator[None]:
    yield
    process.remove_labelled()


def status(pid: int) -> dict[str, str]:
    """/proc/<pid>/status."""
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (row.partition(":") for row in rows)}


def started(given: process.Definition) -> process.Handle:
    """It answers."""
    handle = process.start(given)
    process.wait(handle)
    return handle


def test_limits_are_on_the_process() -> None:
    """Files, processes and core dumps are limited, new privileges are not available, and one CPU is all it may use."""
    handle = started(definition())
    pid = handle.process.pid
    rows = Path(f"/proc/{pid}/limits").read_text().splitlines()
    found = {row[:26].strip(): row[26:].split()[:2] for row in rows[1:]}
    assert found["Max open files"] == ["1024", "1024"]
    assert found["Max processes"] == ["256", "256"]
    assert found["Max core file size"] == ["0", "0"]
    assert status(pid)["NoNewPrivs"] == "1"
    assert len(os.sched_getaffinity(pid)) == 1
    assert process.limits({"name": "vmlab-try"}) == Limits(1.0, None, enforced=False)


@as_root
def test_root_starts_it_as_another_user_without_capabilities() -> None:
    """All four ids are the service's user's, no group is left, and each set of capabilities is empty."""
    found = status(started(definition()).process.pid)
    assert found["Uid"].split() == [str(addresses.USER)] * 4
    assert found["Gid"].split() == [str(addresses.USER)] * 4
    assert found["Groups"] == ""
    assert {found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}


def test_it_is_found_again_without_any_state() -> None:
    """By its name alone, with all that is needed to start another one."""
    handle = started(definition())
    assert process.find("vmlab-try") == handle
    assert process.names() == process.everything_labelled() == ["vmlab-try"]
    assert process.definition({"name": "vmlab-try"}) == handle.definition
    assert process.find("vmlab-other") is None
    with pytest.raises(VmlabError, match="is not running"):
        process.definition({"name": "vmlab-other"})


def test_destroy_leaves_nothing() -> None:
    """Process, port and directory are gone, and a second destroy changes nothing."""
    handle = started(definition())
    process.destroy(handle)
    process.destroy(handle)
    assert not handle.process.lives()
    assert ports.owner(handle.definition.port) is None
    assert not handle.directory.exists()
    assert process.names() == []


def test_child_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that ignores SIGTERM has its time and is then killed."""
    monkeypatch.setattr(life, "STOP_SECONDS", 0.3)
    handle = started(definition(STUBBORN))
    start = time.monotonic()
    process.destroy(handle)
    assert 0.3 <= time.monotonic() - start < 3
    assert not handle.process.lives()


def test_children_go_with_it() -> None:
    """What it started in its session does not outlive it."""
    handle = started(definition(FORKING))
    family = [processes.find(pid) for pid in processes.tree(handle.process.pid)]
    assert len(family) == 2
    process.destroy(handle)
    deadline = time.monotonic() + 2
    while any(one and one.lives() for one in family) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [one for one in family if one and one.lives()] == []


def test_leftover_of_the_same_name_is_stopped_first() -> None:
    """A start after an interrupted run finds the old copy and ends it."""
    old = started(definition())
    new = started(definition())
    assert not old.process.lives()
    assert process.find("vmlab-try") == new


def test_starter_that_was_killed_leaves_a_trace() -> None:
    """A process is found by its name although whoever started it could not note its pid."""
    handle = started(definition())
    records.write(replace(handle, process=records.UNKNOWN))
    assert process.find("vmlab-try") == handle
    process.remove_labelled()
    assert not handle.process.lives()
    assert process.names() == []


def test_half_made_directory_is_removed(home: Path) -> None:
    """So is what was made before there was a record."""
    (home / "run/process/vmlab-torn").mkdir(parents=True)
    assert process.everything_labelled() == ["vmlab-torn"]
    process.remove_labelled()
    assert process.everything_labelled() == []


def test_taken_port_is_refused_before_anything_is_made(home: Path) -> None:
    """With the process that has it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = definition(port=server.getsockname()[1])
        with pytest.raises(InvalidInput, match=f"pid {os.getpid()}"):
            process.start(taken)
    assert list(home.rglob("*")) == []


def test_silent_child_is_told_with_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last milestone, and what it printed."""
    monkeypatch.setenv("VMLAB_TIMEOUT", "0.5")
    handle = process.start(definition("print('busy', flush=True); signal.pause()"))
    with pytest.raises(NeverAnswered, match=r"within 0.5 s; .*'accepted'(.|\n)*busy"):
        process.wait(handle)


def test_child_that_ends_is_not_waited_for() -> None:
    """It says that it ended, at once."""
    handle = process.start(definition("sys.exit('no such thing')"))
    start = time.monotonic()
    with pytest.raises(NeverAnswered, match=r"then it ended(.|\n)*no such thing"):
        process.wait(handle)
    assert time.monotonic() - start < 5


def test_boot_is_stamped_and_its_own() -> None:
    """A copy has its own port, nonce and data; its milestones are in order and add up."""
    stack = started(definition())
    boot = process.boot(
        process.definition({"name": "vmlab-try"}), Slot(3, free_port()), Request("/", "n0nce", True)
    )
    try:
        assert boot.copy.definition.name == "vmlab-boot-3"
        assert boot.copy.definition.data != stack.definition.data
        assert boot.milestones_ns.keys() == {"requested", "accepted", "listening", "answered"}
        assert sum(boot.phases_seconds().values()) == pytest.approx(boot.seconds)
        assert (process.footprint(boot.copy).pss_bytes or 0) > 1_000_000
    finally:
        process.destroy(boot.copy)
    assert stack.process.lives()
    assert process.names() == ["vmlab-try"]


def test_boot_that_fails_leaves_nothing() -> None:
    """A copy without its answer is taken away again."""
    silent = definition("signal.pause()")
    with pytest.raises(NeverAnswered):
        process.boot(silent, Slot(4, free_port()), Request("/", "", False, seconds=0.3))
    assert process.names() == []


def test_marks_are_filled_in_inside_words_and_templates(home: Path) -> None:
    """Port, data and place of the rendered files are the copy's own; other braces stay."""
    given = definition(templates={"/etc/try.conf": "listen {port}; data {data}; map { a b }"})
    given = replace(given, command=[*given.command, "--at={data}/x", "{rendered}/etc/try.conf"])
    handle = started(given)
    rendered = handle.directory / "rendered/etc/try.conf"
    assert rendered.read_text() == f"listen {given.port}; data {handle.definition.data}; map {{ a b }}"
    words = Path(f"/proc/{handle.process.pid}/cmdline").read_text().split("\0")
    assert words[-3:-1] == [f"--at={handle.definition.data}/x", str(rendered)]


def test_given_data_stays() -> None:
    """A data directory that was given outlives the copy."""
    data = Path(os.environ["VMLAB_HOME"]) / "kept"
    handle = started(definition(data=str(data)))
    process.destroy(handle)
    assert data.is_dir()


def test_cpus_are_changed_in_place() -> None:
    """The running process may use another number of processors afterwards."""
    handle = started(definition())
    changed = process.set_limits(handle, 2.0, handle.definition.memory_bytes)
    assert changed.process == handle.process
    assert len(os.sched_getaffinity(handle.process.pid)) == min(2, len(os.sched_getaffinity(0)))
    assert process.find("vmlab-try") == changed


def test_the_launcher_becomes_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """No helper is executed in the timed path: one program is started, its plan names no other than the service, and no
    supervisor stays."""
    commands: list[list[str]] = []

    def started_so(command: list[str], **options: Any) -> int:
        commands.append(command)
        return start_process(command, **options)

    monkeypatch.setattr(launch, "start_process", started_so)
    handle = started(definition())
    plan = (handle.directory / "plan").read_text().splitlines()

    assert [Path(command[0]).name for command in commands] == ["vmlab-rungs"]
    assert [line.split("\t")[1] for line in plan if line.split("\t")[0] in ("exec", "init")] == [
        handle.definition.command[0]
    ]
    assert not any(line.startswith("clone") for line in plan)
    assert processes.tree(handle.process.pid) == [handle.main.pid]


def test_a_program_that_cannot_be_executed_leaves_nothing() -> None:
    """The launcher's own line is the error, and nothing is on record."""
    with pytest.raises(
        VmlabError, match="could not be started: exec /no/such/program: No such file or directory"
    ):
        process.start(definition(command=["/no/such/program"]))
    assert process.names() == []


def test_limits_are_those_of_the_running_process() -> None:
    """An affinity that was changed from outside is reported, not the one that was asked for."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two processors")
    handle = started(definition())
    os.sched_setaffinity(handle.process.pid, os.sched_getaffinity(0))
    assert process.limits({"name": "vmlab-try"}).cpus == len(os.sched_getaffinity(0))


def test_a_boot_that_is_interrupted_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends a boot before its answer, the copy is removed."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("substrates.contract.first_answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.boot(definition(), Slot(4, free_port()), Request("/", "", False, seconds=5))
    assert process.names() == []


def test_a_reused_pid_is_not_killed(home: Path) -> None:
    """Destroying a copy that ended long ago leaves the process group alone that has its number today."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        records.write(process.Handle(definition(), processes.Process(other.pid, 1)))
        process.remove_labelled()
        assert other.poll() is None
        other.kill()
    assert process.names() == []


def test_an_interrupted_boot_on_rungs_leaves_no_child_of_the_service(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a PID namespace a child in a session of its own outlives the service; it is found by the copy's record."""
    given = definition(
        "subprocess.Popen(['/bin/sleep', '600'], start_new_session=True)", kind="namespaces", rungs=()
    )
    slot = Slot(4, free_port())

    def interrupted(*_: object, **__: object) -> None:
        assert Deadline(10).until(lambda: len(records.strays("namespaces", slot.name)) == 3)
        raise KeyboardInterrupt

    monkeypatch.setattr("substrates.contract.first_answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.boot(given, slot, Request("/", "", False, seconds=5))

    assert records.strays("namespaces", slot.name) == []
    assert records.names("namespaces") == []


@as_root
def test_a_user_without_rights_starts_a_bare_process(home: Path) -> None:
    """It runs as that user with no_new_privs and the limits on files and processes, answers, and leaves nothing."""
    os.chown(home, NOBODY, NOBODY)

    def work() -> dict[str, Any]:
        handle = started(definition())
        facts = status(handle.process.pid)
        files = Path(f"/proc/{handle.process.pid}/limits").read_text()
        limits = process.limits({"name": "vmlab-try"}).as_dict()
        process.destroy(handle)
        own = {key: facts[key].split()[0] for key in ("Uid", "NoNewPrivs", "CapEff")}
        return {
            **own,
            "files": "Max open files            1024" in files,
            "limits": limits,
            "left": process.names(),
        }

    found = as_nobody(work)

    assert found["left"] == [], found
    assert (found["Uid"], found["NoNewPrivs"], found["CapEff"]) == (str(NOBODY), "1", "0" * 16)
    assert found["files"]
    assert found["limits"] == {"cpus": 1.0, "enforced": False}


@as_root
def test_without_root_and_a_compiler_the_error_names_the_packages(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who cannot compile the launcher gets Unavailable with the packages to install, and nothing is left."""
    os.chown(home, NOBODY, NOBODY)

    def work() -> Any:
        monkeypatch.setattr("substrates.rungs.launcher.run", _no_compiler)
        return str(process.start(definition()))

    found = as_nobody(work)

    assert found["error"] == "Unavailable", found
    assert "apt-get install gcc libc6-dev" in found["text"]
    assert process.names() == []


def _no_compiler(*_: object, **__: object) -> str:
    raise VmlabError("gcc: no such command")
