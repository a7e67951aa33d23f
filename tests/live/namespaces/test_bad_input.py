"""Bad input on the real machine: one clear line, and (the fixture counts) nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from machine import ports
from machine.commands import run
from machine.errors import InvalidInput, VmlabError
from substrates import namespaces
from substrates.rungs import NAMES, launcher
from tests.live.namespaces.conftest import Starter
from tests.live.namespaces.test_tree import until

RACES = 5
HOLDER = "held0"
Change = Callable[[namespaces.Definition, Path], namespaces.Definition]
CASES: dict[str, tuple[Change, str]] = {
    "unknown rung": (lambda d, _: replace(d, rungs=("mount", "jail")), "there is no rung 'jail'"),
    "rung before what it needs": (
        lambda d, _: replace(d, rungs=("chroot", "mount")),
        "'chroot' needs 'mount' before it",
    ),
    "filter without no_new_privs": (
        lambda d, _: replace(d, rungs=("seccomp",)),
        "'seccomp' needs 'no_new_privs'",
    ),
    "rung twice": (lambda d, _: replace(d, rungs=("uts", "uts")), "'uts' is listed twice"),
    "root missing": (lambda d, _: replace(d, root="/nowhere"), "/nowhere is missing"),
    "root not ours": (lambda d, _: replace(d, root="/usr"), "/usr is not one of the lab's"),
    "root above ours": (lambda d, home: replace(d, root=str(home / "cache")), "is not one of the lab's"),
    "zero byte": (lambda d, _: replace(d, command=["/bin/x", "a\0b"]), "zero byte"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_before_anything_is_made(case: str, definition: namespaces.Definition, home: Path) -> None:
    """What cannot work is refused in one line, and there is no folder, cgroup or link of it."""
    change, line = CASES[case]

    with pytest.raises(InvalidInput) as error:
        namespaces.start(change(definition, home))

    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert namespaces.everything_labelled() == []


def test_a_taken_address(definition: namespaces.Definition) -> None:
    """A second copy with the address of the first is refused with the first one's name; the first goes on."""
    first = namespaces.start(definition)

    with pytest.raises(InvalidInput, match=r"the address 198\.18\.2\.99 is taken by vmlab-try \(pid \d+\)"):
        namespaces.start(replace(definition, name="vmlab-second"))

    namespaces.wait(first)
    assert namespaces.names() == ["vmlab-try"]


def test_two_that_start_at_once(definition: namespaces.Definition) -> None:
    """Of two starts with one address at the same moment just one is refused, and the other runs."""
    for _ in range(RACES):
        gate = threading.Barrier(2)

        def start(name: str, gate: threading.Barrier = gate) -> str:
            gate.wait(10)
            try:
                namespaces.start(replace(definition, name=name))
            except VmlabError as error:
                return f"{type(error).__name__}: {error}"
            return "runs"

        with ThreadPoolExecutor(2) as pool:
            said = sorted(pool.map(start, ["vmlab-try", "vmlab-second"]))

        assert said[0].startswith("InvalidInput: the address 198.18.2.99 is taken by"), said
        assert said[1] == "runs"
        namespaces.remove_labelled()


def test_an_address_of_this_machine(definition: namespaces.Definition) -> None:
    """An address that another interface of this machine has is refused with the interface, and nothing is made."""
    run(["ip", "link", "add", HOLDER, "type", "bridge"])
    try:
        run(["ip", "address", "add", f"{definition.address}/32", "dev", HOLDER])
        with pytest.raises(
            InvalidInput, match=rf"the address 198\.18\.2\.99 is taken by the interface {HOLDER}"
        ):
            namespaces.start(definition)
    finally:
        run(["ip", "link", "delete", HOLDER])

    assert namespaces.everything_labelled() == []


def test_a_dead_copys_port(running: Starter) -> None:
    """A child that listens and has outlived its killed supervisor is not in the way of the next start of the same name."""
    program = (
        "import os, socket, time\nserver = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
        "os.fork()\nprint('listens', flush=True)\ntime.sleep(600)"
    )
    for _ in range(2):
        handle = running(program, rungs=("mount", "chroot"), port=18994)
        until(handle, "listens")
        os.kill(handle.process.pid, signal.SIGKILL)
        os.waitpid(handle.process.pid, 0)

    assert ports.owner(18994)


def test_a_folder_without_a_record(definition: namespaces.Definition) -> None:
    """A copy whose removal was killed when the record had gone can be started again."""
    handle = namespaces.start(definition)
    os.kill(handle.process.pid, signal.SIGKILL)
    os.waitpid(handle.process.pid, 0)
    (handle.directory / "spec.json").unlink()

    namespaces.wait(namespaces.start(definition))


def test_a_taken_port(definition: namespaces.Definition) -> None:
    """Below the rung `network` a port that somebody listens on is refused with its owner."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(InvalidInput, match=f"port {port} is taken by"):
            namespaces.start(replace(definition, rungs=("mount", "chroot"), port=port))

    assert namespaces.everything_labelled() == []


@pytest.mark.parametrize("rungs", [("mount", "chroot"), NAMES[:7], NAMES])
def test_a_program_that_is_not_there(definition: namespaces.Definition, rungs: tuple[str, ...]) -> None:
    """A command that cannot be executed is told with its name, on any rung, and nothing is left."""
    with pytest.raises(VmlabError, match="/usr/bin/nothing: No such file or directory") as error:
        namespaces.start(replace(definition, command=["/usr/bin/nothing"], rungs=rungs, port=18994))

    assert "\n" not in str(error.value)
    assert namespaces.everything_labelled() == []


def test_a_kernel_that_refuses(definition: namespaces.Definition) -> None:
    """A limit that the kernel does not take is told with its file, and the groups made before are gone."""
    with pytest.raises(VmlabError, match=r"write .*pids\.max .*Invalid argument"):
        namespaces.start(replace(definition, pids=-5))

    assert namespaces.everything_labelled() == []


def test_a_launcher_that_is_killed(
    definition: namespaces.Definition, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """A supervisor that is killed before it said anything is told as such, and nothing is left."""
    script = home / "killed"
    script.write_text("#!/bin/sh\nkill -9 $$\n")
    script.chmod(0o755)
    monkeypatch.setattr(launcher, "program", lambda: script)

    with pytest.raises(VmlabError, match="could not be started: the launcher was killed"):
        namespaces.start(definition)

    assert namespaces.everything_labelled() == []
