"""The real artifact from the machine's cache, a registry of the tests' own, and programs that are ended again."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from host import packages
from host.artifact import build
from host.parts import artifact
from substrates.inputs.artifact import Artifact, filled, load
from tests.live.conftest import missing

NGINX = build.OURS.parents[1] / "examples/nginx/service.toml"
USER = 65532
SECONDS = 10


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str = "/") -> bytes:
    """The body of the first 200; fails when none comes in time."""
    deadline = time.monotonic() + SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == 200:
                return body
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        assert time.monotonic() < deadline, f"no answer on port {port}"
        time.sleep(0.01)


@contextmanager
def running(command: list[str], **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is ended at the end."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, **more) as child:
        try:
            yield child
        finally:
            child.terminate()
            child.wait(SECONDS)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty registry."""
    if shutil.which("docker-registry") is None:
        missing("no docker-registry; start it with: vmlab host up registry")
    address = f"127.0.0.1:{free_port()}"
    folder = tmp_path_factory.mktemp("registry")
    settings = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": address},
    }
    (folder / "config.yml").write_text(json.dumps(settings))
    with running(["docker-registry", "serve", str(folder / "config.yml")], stderr=subprocess.DEVNULL):
        get(int(address.partition(":")[2]), "/v2/")
        yield address


@pytest.fixture(scope="session")
def made(registry: str) -> Callable[[Path], dict[str, Any]]:
    """Builds a definition into the machine's cache, as `vmlab host up artifact` does, and pushes to the tests' registry."""
    if os.geteuid() != 0 or packages.missing(artifact.PACKAGES):
        missing("the artifact cannot be built; as root: vmlab host up artifact")
    return lambda path: build.build(path, lambda line: None, registry)


@pytest.fixture(scope="session")
def ours(made: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """The index of our service."""
    return made(build.OURS)


@pytest.fixture(scope="session")
def nginx(made: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """The index of the example."""
    return made(NGINX)


Start = Callable[[str], AbstractContextManager[tuple[subprocess.Popen[bytes], int]]]


@pytest.fixture
def in_place(tmp_path: Path) -> Start:
    """Starts a built service where it lies, as the service's user with nothing of this environment; child and port."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(
            0o755
        )  # pytest, and each process of pytest-xdist, keeps them for their owner, and the service is somebody else

    @contextmanager
    def start(name: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        found: Artifact = load(name)
        data = tmp_path / "data"
        data.mkdir()
        os.chown(data, USER, USER)
        marks = {"port": str(free_port()), "data": str(data), "rendered": str(tmp_path)}
        for target, text in found.templates_in_place().items():
            path = tmp_path / target.lstrip("/")
            path.parent.mkdir(parents=True)
            path.write_text(filled(text, **marks))
        command = [filled(word, **marks) for word in found.command_in_place()]
        environment = {"PORT": marks["port"], "DATA_DIR": str(data), "NONCE": "n1", **found.environment}
        how = {"user": USER, "group": USER, "extra_groups": [], "env": environment, "cwd": data}
        with running(command, stderr=subprocess.DEVNULL, **how) as child:
            yield child, int(marks["port"])

    return start
