"""The stack lock: who is refused, who is taken over, and what is left."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.errors import WrongUse
from engine.state import lock
from engine.state.backend import Backend
from engine.state.lock import cancel, process_start, stack_lock


def dead_pid() -> int:
    """A pid that just ended."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def put(backend: Backend, content: bytes | None = None, **members: Any) -> Path:
    """Somebody's lock file."""
    holder = {
        "pid": os.getpid(),
        "username": "ann",
        "hostname": socket.gethostname(),
        "timestamp": "2026-01-01T00:00:00Z",
    }
    path = backend.lock_directory("demo", "dev") / "other.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(holder | members).encode() if content is None else content)
    return path


def names(backend: Backend) -> list[str]:
    """What is in the stack's lock directory."""
    return [path.name for path in backend.lock_directory("demo", "dev").glob("*")]


def test_held_and_released(backend: Backend) -> None:
    """While it is held there is one file with the official members, afterwards none."""
    with stack_lock(backend, "demo", "dev"):
        (name,) = names(backend)
        holder = json.loads((backend.lock_directory("demo", "dev") / name).read_text())
        assert holder["pid"] == os.getpid()
        assert set(holder) == {"pid", "username", "hostname", "timestamp", "processStart"}
    assert names(backend) == []
    assert list(backend.root.rglob("*.tmp")) == []


def test_released_after_an_error(backend: Backend) -> None:
    """A run that fails gives the lock back."""
    with pytest.raises(KeyError), stack_lock(backend, "demo", "dev"):
        raise KeyError
    assert names(backend) == []


def test_a_second_run_is_refused(backend: Backend) -> None:
    """A living holder is named with pid, user, host and time, and keeps its lock; `cancel` is what comes next."""
    with stack_lock(backend, "demo", "dev"):
        with (
            pytest.raises(WrongUse, match=rf"pid {os.getpid()} of .+@.+ since 20") as caught,
            stack_lock(backend, "demo", "dev"),
        ):
            pass
        assert "cancel --stack dev" in caught.value.next_command
        assert len(names(backend)) == 1
        with stack_lock(backend, "demo", "other"):
            pass


@pytest.mark.parametrize("members", [{}, {"processStart": process_start(os.getpid())}])
def test_a_living_process_is_respected(backend: Backend, members: dict[str, Any]) -> None:
    """A lock of the official engine, which records no start time, counts while its pid lives."""
    path = put(backend, **members)
    with pytest.raises(WrongUse, match="ann"), stack_lock(backend, "demo", "dev"):
        pass
    assert path.exists()


@pytest.mark.parametrize("members", [{"pid": 0}, {"processStart": 1}])
def test_a_dead_holder_is_replaced(backend: Backend, members: dict[str, Any]) -> None:
    """A pid that is gone, or was given to another process since, is taken over and said so."""
    path = put(backend, **({"pid": dead_pid()} if "pid" in members else members))
    path.with_name("other.json.attrs").write_text("{}")
    said: list[str] = []
    with stack_lock(backend, "demo", "dev", said.append):
        assert len(names(backend)) == 1
    assert "took over the lock of pid" in said[0]


def test_another_host_is_respected(backend: Backend) -> None:
    """Nobody here can know whether a process of another host lives."""
    put(backend, hostname="elsewhere", pid=dead_pid())
    with pytest.raises(WrongUse, match="ann@elsewhere"), stack_lock(backend, "demo", "dev"):
        pass


@pytest.mark.parametrize("content", [b"", b'{"pid":', b"null", b'{"pid":1}', b"\xff"])
def test_a_torn_file_is_removed(backend: Backend, content: bytes) -> None:
    """What a power loss leaves of a lock file does not block anybody."""
    put(backend, content)
    said: list[str] = []
    with stack_lock(backend, "demo", "dev", said.append):
        assert len(names(backend)) == 1
    assert "torn" in said[0]


def test_cancel(backend: Backend) -> None:
    """All locks go and their holders are named; a run that lost its lock can still end."""
    with stack_lock(backend, "demo", "dev"):
        put(backend, b"")
        removed = cancel(backend, "demo", "dev")
        assert names(backend) == []
    assert len(removed) == 2
    assert any(f"pid {os.getpid()}" in text for text in removed)
    assert cancel(backend, "demo", "dev") == []


def test_one_that_came_in_between_wins_nothing(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock written between looking and writing is seen by the second look, and one's own is taken back."""
    write = lock._write

    def late(staging: Path, own: Path) -> None:
        put(backend)
        write(staging, own)

    monkeypatch.setattr(lock, "_write", late)
    with pytest.raises(WrongUse), stack_lock(backend, "demo", "dev"):
        pass
    assert names(backend) == ["other.json"]


def test_racers_are_never_both_in(backend: Backend) -> None:
    """Of many that race, at most one is inside at any time."""
    inside, most, guard = 0, 0, threading.Lock()

    def race() -> None:
        nonlocal inside, most
        for _ in range(20):
            try:
                with stack_lock(backend, "demo", "dev"):
                    with guard:
                        inside += 1
                        most = max(most, inside)
                    with guard:
                        inside -= 1
            except WrongUse:
                pass

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert names(backend) == []


def test_a_zombie_is_no_holder() -> None:
    """A process that ended but was not waited for writes no more."""
    child = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process_start(child.pid) is None
    finally:
        child.wait()
