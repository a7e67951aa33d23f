"""Docker's daemon on this machine, through Docker's SDK: where it listens, whether it answers, and a client of it.

The API rather than the `docker` command: a newer client may shadow Debian's, and the command starts in 50 ms. The SDK is
imported when it is first used, because that takes 0.2 s. Out of scope: remote daemons, whose processes cannot be measured
here; the engine's provider, which has its own connection because it must be cancellable.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from machine import ports
from machine.errors import Unavailable, VmlabError

if TYPE_CHECKING:
    from docker import APIClient

SOCKET = Path("/var/run/docker.sock")


def address(environment: Mapping[str, str] = os.environ) -> Path:
    """The socket that clients on this machine use; Unavailable where DOCKER_HOST names another machine."""
    named = environment.get("DOCKER_HOST", "")
    if not named:
        return SOCKET
    if not named.startswith("unix://"):
        raise Unavailable(
            f"DOCKER_HOST={named} is not a Unix socket; vmlab measures on this machine", "unset DOCKER_HOST"
        )
    return Path(named.removeprefix("unix://"))


def connect(path: Path | None = None, *, seconds: int = 60) -> APIClient:
    """A client of the daemon at `path` (`address()` if none is given), whose calls may take that long each.

    Unavailable if no daemon answers. The caller closes it."""
    from docker import APIClient
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    socket = path or address()
    if not ports.accepts(socket):  # the SDK leaks a file descriptor for each connection that is refused
        raise Unavailable(f"no Docker listens at {socket}", "vmlab host up docker")
    try:
        return APIClient(base_url=f"unix://{socket}", version="auto", timeout=seconds)
    except (DockerException, RequestException) as error:
        raise Unavailable(f"cannot reach Docker at {socket} ({error})", "vmlab host up docker") from None


@functools.cache
def shared() -> APIClient:
    """This process's client of the daemon at `address()`; Unavailable as for `connect`."""
    return connect()


def answers(path: Path) -> bool:
    """Whether a daemon answers at the socket within 2 s."""
    try:
        with _open(path, seconds=2):
            return True
    except VmlabError:
        return False


def version(path: Path) -> str:
    """The daemon's version."""
    with _open(path) as client:
        return str(client.version()["Version"])


def running_containers(path: Path) -> list[str]:
    """The names of the containers that run."""
    with _open(path) as client:
        return [found["Names"][0].lstrip("/") for found in client.containers()]


@contextmanager
def _open(path: Path, seconds: int = 10) -> Iterator[APIClient]:
    """A client for one question; VmlabError if the daemon does not answer it."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    client = connect(path, seconds=seconds)
    try:
        yield client
    except (DockerException, RequestException) as error:
        raise VmlabError(f"Docker at {path}: {error}") from None
    finally:
        client.close()
