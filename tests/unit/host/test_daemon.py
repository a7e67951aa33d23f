"""Pid files: only pid and start time together name a process."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from host.daemon import Daemon
from machine import processes
from machine.errors import VmlabError
from tests.unit.host.conftest import Proc


def test_start_and_stop() -> None:
    """A daemon is alive between start and stop, and a second start starts nothing."""
    sleeper = Daemon("sleeper")
    pid = sleeper.start(["sleep", "60"])

    assert sleeper.pid() == pid
    assert sleeper.start(["sleep", "60"]) == pid
    assert os.getsid(pid) == pid
    assert sleeper.stop() is True
    assert sleeper.pid() is None
    assert not sleeper.pid_file.exists()
    assert sleeper.stop() is False


def test_stop_kills_what_ignores_term() -> None:
    """After the deadline SIGTERM becomes SIGKILL."""
    stubborn = Daemon("stubborn")
    pid = stubborn.start(["sh", "-c", "trap '' TERM; echo armed; while :; do sleep 0.1; done"])
    stubborn.wait(lambda: "armed" in stubborn.last_lines(), 5)

    stubborn.stop(seconds=0.1)

    assert processes.start_ticks(pid) is None


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"pid": os.getpid(), "start": 1, "command": []}),
        '{"pid": 4194305, "start": 5}',
        "17",
        "{",
        "",
    ],
    ids=["reused pid", "gone", "foreign", "half", "empty"],
)
def test_stale_pid_files_are_cleared_and_said(content: str) -> None:
    """A pid file that names no living daemon of ours kills nobody: it is removed, with a line that says so."""
    stale = Daemon("stale")
    said: list[str] = []
    stale.pid_file.parent.mkdir(parents=True)
    stale.pid_file.write_text(content)

    assert stale.pid() is None
    stale.clear_stale(said.append)

    assert not stale.pid_file.exists()
    assert "stale" in said[0]


def test_a_live_pid_file_stays() -> None:
    """Clearing touches nothing that lives."""
    sleeper = Daemon("sleeper")
    said: list[str] = []
    sleeper.start(["sleep", "60"])

    sleeper.clear_stale(said.append)

    assert said == []
    assert sleeper.stop()


def test_a_daemon_that_ends_shows_its_last_lines() -> None:
    """Waiting stops at once when the daemon has ended, and says what it said."""
    dying = Daemon("dying")
    dying.start(["sh", "-c", "sleep 0.1; echo no such storage; exit 3"])
    started = time.monotonic()

    with pytest.raises(VmlabError, match="no such storage"):
        dying.wait(lambda: False, 30)

    assert time.monotonic() - started < 5


def test_a_daemon_that_is_never_ready() -> None:
    """The deadline passes, and the message names the log."""
    slow = Daemon("slow")
    slow.start(["sleep", "60"])

    with pytest.raises(VmlabError, match=r"slow: not ready.*slow\.log"):
        slow.wait(lambda: False, 0.05)

    slow.stop()


def test_zombies_and_odd_names(proc: Proc) -> None:
    """A zombie has ended, and a name with parentheses does not shift the fields."""
    proc.add(5, "a) b (c", start=77)
    proc.add(6, "dead", state="Z")

    assert processes.start_ticks(5, proc.root) == 77
    assert processes.start_ticks(6, proc.root) is None
    assert processes.start_ticks(7, proc.root) is None
    assert list(processes.pids(proc.root)) == [5]


def test_below(proc: Proc) -> None:
    """Children and their children are found, others are not."""
    proc.add(10, "shim")
    proc.add(11, "child", parent=10)
    proc.add(12, "grandchild", parent=11)
    proc.add(13, "other")

    assert sorted(processes.tree(10, proc.root)[1:]) == [11, 12]


def test_read_pid(tmp_path: Path) -> None:
    """A pid file of another program is a number, or nothing."""
    (tmp_path / "good").write_text("12\n")
    (tmp_path / "bad").write_text("twelve")

    assert processes.read_pid(tmp_path / "good") == 12
    assert processes.read_pid(tmp_path / "bad") is None
    assert processes.read_pid(tmp_path / "none") is None
