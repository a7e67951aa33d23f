"""Processes as /proc has them, tried on this test's own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from substrates import procfs
from substrates.errors import Refused


def test_listener_is_found_with_pid_and_name() -> None:
    """Our own socket is ours; a socket that only is bound or connected listens to nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert procfs.listener(port) == (os.getpid(), Path("/proc/self/comm").read_text().strip())
        with pytest.raises(Refused, match=f"port {port} is taken by .* \\(pid {os.getpid()}\\)"):
            procfs.refuse_taken_port(port)
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert procfs.listener(client.getsockname()[1]) is None
    assert procfs.listener(port) is None
    procfs.refuse_taken_port(port)


def test_listener_on_ipv6_is_found() -> None:
    """A port is taken whichever family has it."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert procfs.listener(server.getsockname()[1]) is not None


def test_port_may_be_taken_by_whom_it_may_be() -> None:
    """A listener that is expected is not refused."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = Path("/proc/self/comm").read_text().strip()
        procfs.refuse_taken_port(server.getsockname()[1], unless=name)


def test_tree_has_children_of_children() -> None:
    """A process with what it started, and what that started."""
    script = "import subprocess; subprocess.run(['sleep', '60'])"
    with subprocess.Popen([sys.executable, "-c", script]) as child:
        deadline = time.monotonic() + 5
        while len(procfs.tree(child.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        family = procfs.tree(child.pid)
        names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in family}
        for pid in reversed(family):
            os.kill(pid, 9)
    assert family[0] == child.pid
    assert "sleep" in names
    assert set(family) <= set(procfs.tree(os.getpid()) + family)


def test_process_is_its_pid_and_its_start() -> None:
    """The same pid with another start is another process; a zombie does not live."""
    with subprocess.Popen(["sleep", "60"]) as child:
        found = procfs.find(child.pid)
        assert found is not None
        assert found.lives()
        assert not procfs.Process(found.pid, found.start_ticks + 1).lives()
        assert procfs.parent(child.pid) == os.getpid()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert procfs.find(child.pid) is None
    assert procfs.parent(child.pid) == 0


def test_by_command_wants_program_and_words_side_by_side() -> None:
    """A program's base name and a run of its arguments; words apart are no match."""
    with subprocess.Popen(["sleep", "61.25", "0.5"]) as child:
        try:
            deadline = time.monotonic() + 5
            while not procfs.by_command("sleep", "61.25") and time.monotonic() < deadline:
                time.sleep(0.01)
            assert procfs.by_command("sleep", "61.25", "0.5") == [child.pid]
            assert procfs.by_command("sleep", "0.5", "61.25") == []
            assert procfs.by_command("slee", "61.25") == []
        finally:
            child.kill()


def test_memory_and_time_of_ourselves() -> None:
    """PSS is above the unique part, CPU time grows, and nothing is known of what is gone."""
    me = os.getpid()
    assert procfs.pss_bytes(me) >= procfs.uss_bytes(me) > 1_000_000
    before = procfs.cpu_seconds(me)
    sum(range(2_000_000))
    assert procfs.cpu_seconds(me) > before
    assert (procfs.pss_bytes(2**22 + 1), procfs.cpu_seconds(2**22 + 1)) == (0, 0.0)
