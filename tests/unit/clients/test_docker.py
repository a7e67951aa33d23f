"""The one place that opens Docker's daemon: its address, whether it answers, and what it costs to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clients import docker as client
from machine import ports
from machine.errors import Unavailable, VmlabError
from tests.unit.host.conftest import Docker, docker

__all__ = ["docker"]
ROOT = Path(__file__).resolve().parents[3]


def test_the_address_is_that_of_docker_host() -> None:
    """Docker's default without DOCKER_HOST; another machine's daemon is refused with a fix."""
    assert client.address({}) == client.SOCKET
    assert client.address({"DOCKER_HOST": "unix:///run/other.sock"}) == Path("/run/other.sock")
    with pytest.raises(Unavailable, match=r"tcp://10\.0\.0\.1:2375 is not a Unix socket") as refused:
        client.address({"DOCKER_HOST": "tcp://10.0.0.1:2375"})
    assert refused.value.fix == "unset DOCKER_HOST"


def test_a_daemon_that_answers(docker: Docker) -> None:
    """Version and running containers come from the daemon at the socket."""
    docker.containers.append({"Names": ["/web"]})
    assert not client.answers(docker.path)

    docker.start()

    assert client.answers(docker.path)
    assert client.version(docker.path) == "20.10.24"
    assert client.running_containers(docker.path) == ["web"]


def test_no_daemon_is_unavailable_with_a_fix(docker: Docker, tmp_path: Path) -> None:
    """Neither a missing socket nor one that a killed daemon left is taken for a daemon."""
    docker.start()
    docker.stop()

    for path in (docker.path, tmp_path / "none.sock"):
        assert not ports.accepts(path)
        with pytest.raises(Unavailable, match="no Docker listens at") as refused:
            client.connect(path)
        assert refused.value.fix == "vmlab host up docker"
        with pytest.raises(VmlabError):
            client.version(path)


def test_the_sdk_is_imported_when_it_is_used() -> None:
    """Importing the client loads neither the SDK nor requests, which take 0.2 s."""
    program = "import sys, clients.docker; print({'docker', 'requests'} & set(sys.modules))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
