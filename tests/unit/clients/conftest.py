"""A registry in this process, for the client of it and for what pushes through the client."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from clients.registry import digest_of


class Registry(http.server.ThreadingHTTPServer):
    """As much of a registry as pushing and reading an image takes."""

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
        digest = digest_of(stored) if stored is not None else ""
        self._answer(404 if stored is None else 200, Docker_Content_Digest=digest)

    def do_GET(self) -> None:
        stored = self.server.stored.get(self.path)
        if stored is None:
            self._answer(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(stored)))
        self.end_headers()
        self.wfile.write(stored)

    def do_POST(self) -> None:
        self._answer(202, Location=f"http://{self.server.address}{self.path}1?state=x")

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        path, _, query = self.path.partition("?")
        digest = dict(word.split("=", 1) for word in query.split("&") if word).get("digest")
        if digest:
            path = f"{path.partition('/uploads/')[0]}/{digest}"
            assert digest_of(data) == digest
        self.server.stored[path] = data
        self._answer(201)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry without images; it answers /v2/."""
    server = Registry(("127.0.0.1", 0), _Handler)
    server.stored, server.calls = {"/v2/": b"{}"}, []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
