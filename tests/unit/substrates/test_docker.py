"""The Docker substrate without a daemon: limits from the container's own cgroup, and the clean-up of a boot that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from machine import cgroups
from machine.errors import NeverAnswered, VmlabError
from substrates.contract import Limits, Request, Slot
from substrates.docker import substrate as docker

MIB = 1024**2
RECORD = {"State": {"Pid": 4711}, "HostConfig": {"NanoCpus": 1_000_000_000, "Memory": 512 * MIB}}
DEFINITION = docker.Definition({"Image": "i", "Env": [], "HostConfig": {}}, "8080/tcp")


class Daemon:
    """As much of the API as a boot calls; `started` raises what the start call raises."""

    def __init__(self, started: BaseException | None = None) -> None:
        self.containers: list[str] = []
        self._started = started

    def create_container_from_config(self, _config: dict[str, Any], name: str) -> dict[str, str]:
        self.containers.append(name)
        return {"Id": name}

    def start(self, _container: str) -> None:
        if self._started:
            raise self._started

    def logs(self, _container: str, **_: object) -> bytes:
        return b"hello"

    def remove_container(self, container: str, **_: object) -> None:
        if container in self.containers:
            self.containers.remove(container)


def test_limits_are_those_of_the_running_cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that was changed on the running container is reported, whatever Docker's record holds."""
    monkeypatch.setattr(docker, "_inspect", lambda _: RECORD)
    monkeypatch.setattr(cgroups, "folders", lambda pid: {"": tmp_path} if pid == 4711 else {})
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text(f"{512 * MIB}\n")
    assert docker.limits({"id": "c"}) == Limits(1.0, 512 * MIB, enforced=True)

    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text(f"{300 * MIB}\n")
    assert docker.limits({"id": "c"}) == Limits(None, 300 * MIB, enforced=False)


def test_a_container_that_is_not_running_has_no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker reports pid 0 for it."""
    monkeypatch.setattr(docker, "_inspect", lambda _: {**RECORD, "State": {"Pid": 0}})
    with pytest.raises(VmlabError, match="is not running; next: vmlab up docker"):
        docker.limits({"id": "c"})


@pytest.mark.parametrize("started", [KeyboardInterrupt(), VmlabError("lost")])
def test_a_boot_that_is_interrupted_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, started: BaseException
) -> None:
    """Whatever ends a boot before its answer, the container is removed."""
    daemon = Daemon(started)
    monkeypatch.setattr(docker, "_api", lambda: daemon)
    with pytest.raises(type(started)):
        docker.boot(DEFINITION, Slot(1, 18999), Request("/", "n", echoed=True, seconds=0.1))
    assert daemon.containers == []


def test_a_boot_without_an_answer_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the milestone and the log, and the container is removed."""
    daemon = Daemon()
    monkeypatch.setattr(docker, "_api", lambda: daemon)
    with pytest.raises(NeverAnswered, match=r"'sandboxed'(.|\n)*hello"):
        docker.boot(DEFINITION, Slot(1, 18999), Request("/", "n", echoed=True, seconds=0.1))
    assert daemon.containers == []
