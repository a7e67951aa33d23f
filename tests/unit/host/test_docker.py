"""Docker as a part: whose it is, how it is started, and what is cleared before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clients import docker as clients_docker
from host import packages, record, systemd
from host.docker import leftovers, traces
from host.parts import docker as part
from machine import cgroups, commands
from machine.errors import Unavailable, VmlabError
from tests.unit.host.conftest import Docker, Runner

BEFORE = {"firewall": "", "links": [], "mounts": [], "sysctls": {}, "cgroups": [], "absent": []}


@pytest.fixture(autouse=True)
def no_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the real machine is looked at or changed."""
    monkeypatch.setattr(traces, "take", lambda: dict(BEFORE))
    monkeypatch.setattr(traces, "undo", lambda before: [])
    monkeypatch.setattr(leftovers, "clear", lambda say: None)
    monkeypatch.setattr(leftovers, "survivors", list)
    monkeypatch.setattr(leftovers, "shims", list)
    monkeypatch.setattr(leftovers, "holder", lambda: None)
    monkeypatch.setattr(cgroups, "mount", lambda: False)
    monkeypatch.setattr(part, "CONFIGURATION", tmp_path / "daemon.json")


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The daemons that were spawned; in their place a sleep is."""
    started: list[list[str]] = []
    real = commands.spawn

    def spawn(command: list[str], *, log: Path, environment: object = None) -> int:
        started.append(command)
        return real(["sleep", "60"], log=log)

    monkeypatch.setattr(commands, "spawn", spawn)
    return started


def test_with_systemd_its_service_is_started(
    runner: Runner, docker: Docker, spawned: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`systemctl start docker` is issued and no dockerd spawned; `down` stops only units that were not active before."""
    monkeypatch.setattr(systemd, "running", lambda: True)
    runner.answers["systemctl is-active --quiet docker"] = VmlabError("inactive")
    runner.answers["systemctl start docker"] = docker.start

    part.up(print)

    assert runner.began("systemctl start") == ["systemctl start docker"]
    assert spawned == []
    assert part.status().state == "running"
    assert part.status().ours
    docker.stop()
    part.down(print)
    assert runner.began("systemctl stop") == ["systemctl stop docker.socket", "systemctl stop docker.service"]
    assert record.load() == {}


def test_without_systemd_dockerd_is_ours(
    docker: Docker, spawned: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """dockerd is spawned with the lab's addresses, and stopped by `down`."""
    monkeypatch.setattr(systemd, "running", lambda: False)
    docker.start()

    part.up(print)

    assert spawned[0][0] == "dockerd"
    assert "--bip=198.18.0.1/28" in spawned[0]
    assert "--default-address-pool=base=198.18.0.0/24,size=28" in spawned[0]
    assert part.status().ours
    part.down(print)
    assert part._daemon.pid() is None
    assert record.load() == {}


def test_what_daemon_json_says_is_not_said_again(docker: Docker, tmp_path: Path) -> None:
    """dockerd refuses an option that is in both places, so the user's wins."""
    (tmp_path / "daemon.json").write_text(json.dumps({"bip": "10.9.0.1/24"}))

    assert not [option for option in part._options() if option.startswith("--bip")]
    assert "--pidfile=/var/run/docker.pid" in part._options()


def test_a_dockerd_that_fails_leaves_nothing(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last lines are shown, and neither a record nor a pid file stays."""
    monkeypatch.setattr(systemd, "running", lambda: False)
    real = commands.spawn
    failing = ["sh", "-c", "sleep 0.1; echo failed to mount overlay; exit 1"]
    monkeypatch.setattr(commands, "spawn", lambda command, *, log, environment=None: real(failing, log=log))

    with pytest.raises(VmlabError, match="failed to mount overlay"):
        part.up(print)

    assert record.load() == {}
    assert not part._daemon.pid_file.exists()


def test_a_docker_that_was_there_is_not_ours(docker: Docker) -> None:
    """It is reported as running and not ours, and `down` leaves it."""
    docker.start()
    said: list[str] = []

    part.down(said.append)

    assert (part.status().state, part.status().ours) == ("running", False)
    assert "left alone" in said[0]
    assert clients_docker.answers(docker.path)


def test_another_docker_after_ours_died(docker: Docker) -> None:
    """A record of ours does not make the daemon of somebody else ours: it is left alone, the record goes."""
    record.keep("docker", {"by": "child", "units": [], "cgroups_mounted": False, "before": BEFORE})
    docker.start()
    said: list[str] = []

    assert part.status().ours is False
    part.down(said.append)

    assert "another daemon" in said[0]
    assert record.load() == {}


def test_running_containers_are_named_and_kept(docker: Docker) -> None:
    """`down` refuses and stops nothing; force goes through."""
    docker.containers.append({"Names": ["/precious"]})
    docker.start()
    record.keep("docker", {"by": "systemd", "units": [], "cgroups_mounted": False, "before": BEFORE})

    with pytest.raises(VmlabError, match=r"precious(?s:.*)--force"):
        part.down(print)
    assert record.entry("docker")

    part.down(print, force=True)
    assert record.load() == {}


def test_needs(runner: Runner, docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `up` cannot mend is said with a fix: a foreign DOCKER_HOST, no root, a daemon that hangs."""
    monkeypatch.setattr(packages, "missing", lambda wanted: [])
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Unavailable, match="sudo vmlab host up docker"):
        part.needs()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    part.needs()
    monkeypatch.setattr(leftovers, "holder", lambda: 77)
    with pytest.raises(Unavailable, match="pid 77"):
        part.needs()
    monkeypatch.setenv("DOCKER_HOST", "unix:///elsewhere.sock")
    with pytest.raises(Unavailable, match="elsewhere"):
        part.needs()
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(Unavailable, match="unset DOCKER_HOST"):
        part.needs()


def test_status_says_what_is_missing(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not installed and not running are two things."""
    monkeypatch.setattr(commands, "find", lambda name: None)
    assert part.status().state == "missing"
    monkeypatch.setattr(commands, "find", lambda name: f"/usr/sbin/{name}")
    assert part.status().state == "stopped"
    assert part.status().fix == "vmlab host up docker"
