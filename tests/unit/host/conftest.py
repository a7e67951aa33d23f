"""Fakes for `host`: a runner that records commands, a /proc and a Docker socket of the test's own."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clients import docker as clients_docker
from machine import commands
from machine.errors import VmlabError


class Runner:
    """Answers commands by their beginning; every command is recorded, one without an answer gives nothing."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.answers: dict[str, str | VmlabError | Callable[[], None]] = {}

    def __call__(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float,
        environment: Mapping[str, str] | None = None,
        input_text: str = "",
    ) -> str:
        line = " ".join(command)
        self.commands.append(line)
        for beginning, answer in self.answers.items():
            if line.startswith(beginning):
                if isinstance(answer, VmlabError):
                    raise answer
                if callable(answer):
                    answer()
                    return ""
                return answer
        return ""

    def began(self, beginning: str) -> list[str]:
        """The recorded commands that begin so."""
        return [command for command in self.commands if command.startswith(beginning)]


class Proc:
    """A /proc with the processes that a test puts there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self, pid: int, comm: str, *, start: int = 1, state: str = "S", parent: int = 1, command: str = ""
    ) -> Path:
        folder = self.root / str(pid)
        folder.mkdir(parents=True)
        fields = [state, str(parent), *["0"] * 17, str(start), "0"]
        (folder / "stat").write_text(f"{pid} ({comm}) {' '.join(fields)}\n")
        (folder / "comm").write_text(f"{comm}\n")
        (folder / "cmdline").write_bytes(command.replace(" ", "\0").encode())
        return folder


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    containers: list[dict[str, Any]]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        answers: dict[str, Any] = {
            "/version": {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"},
            "/containers/json": self.server.containers,
        }
        path = self.path.partition("?")[0].removeprefix("/v1.41")
        body = json.dumps(answers[path]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        return "unix"


class Docker:
    """A Docker API on a socket, started when the test calls `start`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.containers: list[dict[str, Any]] = []
        self._server: _Server | None = None

    def start(self) -> None:
        self._server = _Server(str(self.path), _Handler)
        self._server.containers = self.containers
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All places below the test's own folder; no clue of the machine's Docker."""
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return tmp_path / "home"


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Instead of machine.commands.run."""
    fake = Runner()
    monkeypatch.setattr(commands, "run", fake)
    return fake


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    """An empty /proc."""
    (tmp_path / "proc").mkdir()
    return Proc(tmp_path / "proc")


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Docker]:
    """A Docker that is not running yet, at the address that every client uses."""
    fake = Docker(tmp_path / "docker.sock")
    monkeypatch.setattr(clients_docker, "SOCKET", fake.path)
    yield fake
    fake.stop()
