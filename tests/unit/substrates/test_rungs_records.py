"""Records, the lock of a start, and the order in which a copy is cleared away, without starting one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from machine import ports, processes
from machine.errors import InvalidInput, Unavailable, VmlabError
from substrates import namespaces
from substrates.copies import launch, records, removal
from substrates.rungs import cgroups, network

NAME = "vmlab-try"
BARE = namespaces.Definition(
    name=NAME,
    command=["/bin/x"],
    root="/tree",
    loader="",
    library_path=[],
    port=8080,
    health="/",
    cpus=1.0,
    memory_bytes=500_000_000,
    rungs=(),
)
LISTEN = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.fixture
def own_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A lock that is not the one of this machine's real copies."""
    if os.geteuid() != 0:
        pytest.skip("without root nothing is locked")
    monkeypatch.setattr(network, "LINKS", tmp_path)
    return tmp_path


@pytest.fixture
def apart(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home whose copies have neither cgroups nor links."""

    def none() -> cgroups.Cgroups:
        raise Unavailable("no cgroups", "")

    monkeypatch.setattr(network, "LINKS", tmp_path)
    monkeypatch.setattr(cgroups, "here", none)
    return home


@contextmanager
def stray() -> Iterator[int]:
    """The port on which a process listens that a copy has left behind."""
    mark = {records.MARK: str(records.folder(records.NAMESPACES, NAME))}
    child = subprocess.Popen([sys.executable, "-c", LISTEN], env=mark, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield int(child.stdout.readline())
    finally:
        child.kill()
        child.communicate()


def test_one_starts_at_a_time(own_lock: Path) -> None:
    """While one start takes what it needs no other does: neither another thread's nor, as each opens the lock for itself,
    another process's."""
    inside, most = [], []

    def start() -> None:
        with removal.starting():
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert most == [1] * 4


def test_waiting_for_another_start_ends(own_lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that never ends is told to the next one in a line; clearing away does not wait for it at all."""
    monkeypatch.setattr(removal, "LOCK_SECONDS", 0.02)

    with removal.starting():
        removal.tidy()
        with pytest.raises(VmlabError, match="another start has held"), removal.starting():
            pytest.fail("two starts at a time")
    with removal.starting():
        pass


def test_cgroups_go_before_strays_are_looked_for(apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What forks for ever is kept from it by its cgroup before it is killed one by one; a look for strays alone never ends."""
    order: list[str] = []

    class Groups:
        def remove(self, name: str) -> None:
            order.append(f"cgroups of {name}")

        def remove_bases(self) -> None:
            """There are none."""

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(cgroups, "here", Groups)
    monkeypatch.setattr(removal, "_end_strays", lambda _, name: order.append(f"strays of {name}"))
    records.folder(records.NAMESPACES, NAME).mkdir(parents=True)

    removal.forget(records.NAMESPACES, NAME)

    assert order == [f"cgroups of {NAME}", f"strays of {NAME}"]
    assert namespaces.names() == []


def test_a_folder_without_a_record_is_cleared(apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal that was killed when the record had gone leaves a folder: the next start of this name takes it away, with
    what still runs of it; a living copy stays."""
    directory = records.folder(records.NAMESPACES, NAME)
    directory.mkdir(parents=True)
    os.mkfifo(directory / "status")
    with stray() as port:
        launch._clear_dead(BARE)
        assert ports.owner(port) is None
    assert namespaces.names() == []

    directory.mkdir(parents=True)
    living = processes.find(os.getpid())
    assert living
    records.write(namespaces.Handle(BARE, living))
    launch._clear_dead(BARE)
    assert namespaces.names() == [NAME]


def test_a_dead_copys_port_is_not_taken(apart: Path) -> None:
    """A process that a dead copy has left on the port is not in its own next start's way, but in anybody else's."""
    with stray() as port:
        launch.refuse_taken(replace(BARE, port=port))
        with pytest.raises(InvalidInput, match=f"port {port} is taken by"):
            launch.refuse_taken(replace(BARE, name="vmlab-other", port=port))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(InvalidInput, match=f"port {port} is taken by"):
            launch.refuse_taken(replace(BARE, port=port))
