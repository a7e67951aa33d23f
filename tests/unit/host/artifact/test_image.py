"""An image is the same each time, and only what the registry has not is sent."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.artifact import image
from host.artifact.definition import Definition
from machine.errors import VmlabError


class Registry(http.server.ThreadingHTTPServer):
    """As much of a registry as a push needs."""

    daemon_threads = True
    stored: dict[str, bytes]
    calls: list[str]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Registry

    def _answer(self, status: int, **headers: str) -> None:
        self.server.calls.append(f"{self.command} {self.path.partition('?')[0]}")
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_HEAD(self) -> None:
        stored = self.server.stored.get(self.path)
        digest = image._digest(stored) if stored is not None else ""
        self._answer(404 if stored is None else 200, Docker_Content_Digest=digest)

    def do_POST(self) -> None:
        self._answer(202, Location=f"http://{self.server.address}{self.path}1?state=x")

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        path, _, query = self.path.partition("?")
        digest = dict(word.split("=", 1) for word in query.split("&") if word).get("digest")
        if digest:
            path = f"{path.partition('/uploads/')[0]}/{digest}"
            assert image._digest(data) == digest
        self.server.stored[path] = data
        self._answer(201)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    """An empty one."""
    server = Registry(("127.0.0.1", 0), _Handler)
    server.stored, server.calls = {}, []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def one(definition: Definition, tmp_path: Path) -> image.Image:
    """The image of a small tar."""
    (tmp_path / "slim.tar").write_bytes(b"tar" * 1000)
    return image.describe(definition, tmp_path / "slim.tar")


def test_the_image_is_the_same_each_time(definition: Definition, one: image.Image, tmp_path: Path) -> None:
    """Same tar and definition, same id and digest; another tar, another image."""
    (tmp_path / "other.tar").write_bytes(b"rat")

    assert image.describe(definition, one.tar).digest == one.digest
    assert image.describe(definition, tmp_path / "other.tar").id != one.id


def test_the_image_starts_the_command_as_the_services_user(one: image.Image) -> None:
    """The config has the command without marks, the user and the port."""
    config: dict[str, Any] = json.loads(one.config)["config"]

    assert config["Entrypoint"] == ["/usr/bin/python3.11", "/srv/app.py"]
    assert config["User"] == "65532:65532"
    assert list(config["ExposedPorts"]) == ["8080/tcp"]


def test_a_push_stores_blobs_then_the_manifest(one: image.Image, registry: Registry) -> None:
    """A manifest must never name what is not there."""
    assert image.push(one, registry.address)

    stored = list(registry.stored)
    assert registry.stored[f"/v2/vmlab/service/blobs/{one.layer}"] == one.tar.read_bytes()
    assert stored[-1] == f"/v2/vmlab/service/manifests/{one.name.partition(':')[2]}"
    assert registry.stored[stored[-1]] == one.manifest


def test_a_second_push_sends_nothing(one: image.Image, registry: Registry) -> None:
    """One question, and that is all."""
    image.push(one, registry.address)
    registry.calls.clear()

    assert not image.push(one, registry.address)
    assert len(registry.calls) == 1


def test_no_registry_says_what_to_do(one: image.Image) -> None:
    """The next command is named."""
    with pytest.raises(VmlabError, match="vmlab host up registry artifact"):
        image.push(one, "127.0.0.1:1")
