"""The service as a process on loopback: its answers, its counter, its shutdown."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parents[3] / "service" / "app.py"


class Running:
    """One service process."""

    def __init__(self, directory: Path, **environment: str) -> None:
        given = {"PORT": "0", "BIND": "127.0.0.1", "DATA_DIR": str(directory), **environment}
        command = [getattr(sys, "_base_executable", sys.executable), "-I", "-S", str(APP)]
        self.child = subprocess.Popen(command, env=given, stdout=subprocess.PIPE, text=True)
        assert self.child.stdout is not None
        self.lines = [self.child.stdout.readline(), self.child.stdout.readline()]
        self.port = int(re.search(r"port=(\d+)", self.lines[1])[1])  # type: ignore[index]

    def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        """Status and body of one request."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@contextmanager
def running(directory: Path, **environment: str) -> Iterator[Running]:
    """A service that is killed afterwards."""
    service = Running(directory, **environment)
    try:
        yield service
    finally:
        service.child.kill()
        service.child.wait()
        assert service.child.stdout is not None
        service.child.stdout.close()


def test_root_says_who_answers(tmp_path: Path) -> None:
    """`/` returns version, instance, nonce, host, kernel and start."""
    with running(tmp_path, NONCE="abc", INSTANCE="one") as service:
        status, body = service.get("/")

    members = json.loads(body)
    assert status == 200
    assert members["nonce"] == "abc"
    assert members["instance"] == "one"
    assert members["kernel"] == os.uname().release
    assert members["started_monotonic_ns"] < time.monotonic_ns()


def test_stamps_are_in_order(tmp_path: Path) -> None:
    """The first line and the listening instant are printed with the host's monotonic clock."""
    before = time.monotonic_ns()
    with running(tmp_path) as service:
        stamps = [int(re.search(r"monotonic_ns=(\d+)", line)[1]) for line in service.lines]  # type: ignore[index]

    assert before < stamps[0] < stamps[1] < time.monotonic_ns()
    assert [line.split()[1] for line in service.lines] == ["first-line", "listening"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/nope", 404),
        ("/work?ms=x", 400),
        ("/memory?mb=-1", 400),
        ("/work?ms=999999999", 400),
    ],
)
def test_status(tmp_path: Path, path: str, status: int) -> None:
    """Each path answers with its status; an invalid number is a 400 that names it."""
    with running(tmp_path) as service:
        found, body = service.get(path)

    assert found == status
    assert status != 400 or b"must be a whole number" in body


def test_work_burns_cpu_and_does_not_block(tmp_path: Path) -> None:
    """/work uses the requested CPU time, and /healthz answers meanwhile."""
    with running(tmp_path) as service:
        worker = threading.Thread(target=service.get, args=("/work?ms=400",))
        worker.start()
        started = time.monotonic()
        assert service.get("/healthz")[0] == 200
        assert time.monotonic() - started < 0.35
        worker.join()
        text = service.get("/metrics")[1].decode()

    assert float(re.search(r"(?m)^process_cpu_seconds_total (\S+)", text)[1]) >= 0.39  # type: ignore[index]


def test_memory_is_held(tmp_path: Path) -> None:
    """/memory holds the requested amount."""
    with running(tmp_path) as service:
        service.get("/memory?mb=50")
        rss = Path(f"/proc/{service.child.pid}/statm").read_text().split()[1]

    assert int(rss) * os.sysconf("SC_PAGE_SIZE") > 50 << 20


def test_every_acknowledged_visit_survives_kill(tmp_path: Path) -> None:
    """Visits that were acknowledged to concurrent clients are counted after kill -9 and a restart."""
    acknowledged = []
    with running(tmp_path) as service:

        def visit() -> None:
            while True:
                try:
                    status, _ = service.get("/visits", "POST")
                except (OSError, urllib.error.URLError):
                    return
                if status == 200:
                    acknowledged.append(1)

        threads = [threading.Thread(target=visit) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        service.child.kill()
        for thread in threads:
            thread.join()
    with running(tmp_path) as service:
        counted = json.loads(service.get("/visits")[1])["visits"]

    assert len(acknowledged) > 50
    assert counted >= len(acknowledged)


def test_config_shows_only_a_fingerprint(tmp_path: Path) -> None:
    """/config returns the settings, and only a fingerprint of the secret."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2-canary")
    with running(tmp_path, SETTING_COLOUR="blue", SECRET_FILE=str(secret)) as service:
        _, body = service.get("/config")

    members = json.loads(body)
    assert members["SETTING_COLOUR"] == "blue"
    assert len(members["secret_sha256_prefix"]) == 12
    assert b"hunter2" not in body


def test_sigterm_finishes_what_runs(tmp_path: Path) -> None:
    """On SIGTERM a running request is answered, then the service exits with 0."""
    with running(tmp_path) as service:
        answers: list[tuple[int, bytes]] = []
        worker = threading.Thread(target=lambda: answers.append(service.get("/work?ms=300")))
        worker.start()
        time.sleep(0.1)
        service.child.send_signal(signal.SIGTERM)
        worker.join()

        assert service.child.wait(5) == 0
        assert answers[0][0] == 200


def test_drain(tmp_path: Path) -> None:
    """With DRAIN_SECONDS, /readyz fails immediately on SIGTERM while / still answers; then connections are refused."""
    with running(tmp_path, DRAIN_SECONDS="0.5") as service:
        service.child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 0.4
        while service.get("/readyz")[0] != 503:
            assert time.monotonic() < deadline
        assert service.get("/")[0] == 200
        assert service.child.wait(5) == 0
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", service.port), 1):
            pass


def test_pipelined_and_broken_requests(tmp_path: Path) -> None:
    """Two requests in one packet get two answers in order; an invalid one gets a 400 and the connection is closed."""
    with running(tmp_path) as service, socket.create_connection(("127.0.0.1", service.port), 5) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\n\r\nGET /nope HTTP/1.1\r\n\r\nnonsense\r\n\r\n")
        raw = b""
        while chunk := link.recv(65536):
            raw += chunk

    assert [int(code) for code in re.findall(rb"HTTP/1.1 (\d+)", raw)] == [200, 404, 400]
