"""Processes as /proc has them, tried on this test's own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from machine import ports, processes
from machine.errors import InvalidInput


def test_listener_is_found_with_pid_and_name() -> None:
    """Our own socket is ours; a socket that only is bound or connected listens to nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ports.owner(port) == (os.getpid(), Path("/proc/self/comm").read_text().strip())
        with pytest.raises(InvalidInput, match=f"port {port} is taken by .* \\(pid {os.getpid()}\\)"):
            ports.refuse_taken(port)
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert ports.owner(client.getsockname()[1]) is None
    assert ports.owner(port) is None
    ports.refuse_taken(port)


def test_listener_on_ipv6_is_found() -> None:
    """A port is taken whichever family has it."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert ports.owner(server.getsockname()[1]) is not None


def test_port_may_be_taken_by_whom_it_may_be() -> None:
    """A listener that is expected is not refused."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = Path("/proc/self/comm").read_text().strip()
        ports.refuse_taken(server.getsockname()[1], unless=name)


def test_tree_has_children_of_children() -> None:
    """A process with what it started, and what that started."""
    script = "import subprocess; subprocess.run(['sleep', '60'])"
    with subprocess.Popen([sys.executable, "-c", script]) as child:
        deadline = time.monotonic() + 5
        while len(processes.tree(child.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        family = processes.tree(child.pid)
        names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in family}
        for pid in reversed(family):
            os.kill(pid, 9)
    assert family[0] == child.pid
    assert "sleep" in names
    assert set(family) <= set(processes.tree(os.getpid()) + family)


def test_process_is_its_pid_and_its_start() -> None:
    """The same pid with another start is another process; a zombie does not live."""
    with subprocess.Popen(["sleep", "60"]) as child:
        found = processes.find(child.pid)
        assert found is not None
        assert found.lives()
        assert not processes.Process(found.pid, found.start_ticks + 1).lives()
        assert processes.parent(child.pid) == os.getpid()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert processes.find(child.pid) is None
    assert processes.parent(child.pid) == 0


def test_by_command_wants_program_and_words_side_by_side() -> None:
    """A program's base name and a run of its arguments; words apart are no match."""
    with subprocess.Popen(["sleep", "61.25", "0.5"]) as child:
        try:
            deadline = time.monotonic() + 5
            while not processes.by_command("sleep", "61.25") and time.monotonic() < deadline:
                time.sleep(0.01)
            assert processes.by_command("sleep", "61.25", "0.5") == [child.pid]
            assert processes.by_command("sleep", "0.5", "61.25") == []
            assert processes.by_command("slee", "61.25") == []
        finally:
            child.kill()


def test_memory_and_time_of_ourselves() -> None:
    """PSS is above the unique part, CPU time grows, and nothing is known of what is gone."""
    me = os.getpid()
    assert processes.pss_bytes(me) > 1_000_000
    before = processes.cpu_seconds(me)
    sum(range(2_000_000))
    assert processes.cpu_seconds(me) > before
    assert (processes.pss_bytes(2**22 + 1), processes.cpu_seconds(2**22 + 1)) == (0, 0.0)
