"""The few questions `host` asks a Docker daemon, over its unix socket.

The API rather than the `docker` command: a newer client may shadow Debian's, and the command starts in 50 ms. Left out:
everything that changes something.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machine.errors import Unavailable, VmlabError

SOCKET = Path("/var/run/docker.sock")


class _Connection(http.client.HTTPConnection):
    """HTTP over AF_UNIX."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def address(environment: Mapping[str, str] = os.environ) -> Path:
    """The socket that clients on this machine would use."""
    named = environment.get("DOCKER_HOST", "")
    if not named:
        return SOCKET
    if not named.startswith("unix://"):
        raise Unavailable(
            f"DOCKER_HOST={named} is not a unix socket; the lab measures on this machine", "unset DOCKER_HOST"
        )
    return Path(named.removeprefix("unix://"))


def answers(path: Path) -> bool:
    """Whether a daemon answers GET /_ping there."""
    try:
        return _get(path, "/_ping", timeout=2) == b"OK"
    except (OSError, http.client.HTTPException, VmlabError):
        return False


def listens(path: Path) -> bool:
    """Whether anybody holds the socket; one that a killed daemon left refuses."""
    connection = _Connection(path, timeout=2)
    try:
        connection.connect()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:  # not allowed to, or too busy: somebody is there
        return True
    finally:
        connection.close()
    return True


def running_containers(path: Path) -> list[str]:
    """The names of the containers that run."""
    return [found["Names"][0].lstrip("/") for found in _json(path, "/containers/json")]


def version(path: Path) -> str:
    """The daemon's version."""
    return str(_json(path, "/version")["Version"])


def _json(path: Path, target: str) -> Any:
    try:
        return json.loads(_get(path, target, timeout=10))
    except (OSError, http.client.HTTPException) as error:
        raise VmlabError(f"docker at {path}: GET {target}: {error}") from error


def _get(path: Path, target: str, *, timeout: float) -> bytes:
    connection = _Connection(path, timeout)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise VmlabError(
            f"docker at {path}: GET {target}: {answer.status} {body.decode(errors='replace')[:200]}"
        )
    return body
