"""What libvirt leaves, taken back: only its own, and only what was not there before."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients import docker
from host.libvirt import daemons, traces
from machine import cgroups, sysctl
from tests.unit.host.conftest import Runner


@pytest.fixture
def sysctls(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The values that are read and written, in place of /proc/sys, which a test must not touch."""
    values = {"net/ipv4/ip_forward": "1"}
    monkeypatch.setattr(sysctl, "read", values.get)
    monkeypatch.setattr(sysctl, "write", values.__setitem__)
    return values


def test_forwarding_is_left_to_a_docker_that_answers(
    sysctls: dict[str, str], runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its containers need ip_forward, and it sets it only when it starts."""
    before = {"chains": {}, "sysctls": {"net/ipv4/ip_forward": "0"}, "cgroups": [], "absent": []}
    monkeypatch.setattr(cgroups, "detect", lambda: cgroups.Cgroups("none", ()))
    monkeypatch.setattr(docker, "answers", lambda path: True)
    assert traces.undo(before, []) == []
    assert sysctls == {"net/ipv4/ip_forward": "1"}

    monkeypatch.setattr(docker, "answers", lambda path: False)
    assert traces.undo(before, []) == ["net.ipv4.ip_forward = 0"]
    assert sysctls == {"net/ipv4/ip_forward": "0"}


def test_a_killed_guests_groups_go_and_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only groups of the named domains are removed; `machine` goes when it is empty and was not there before."""
    for name in ("cpu", "memory", "unified"):
        (tmp_path / name / "machine").mkdir(parents=True)
    for group in ("qemu-3-mine.libvirt-qemu/emulator", "qemu-4-other.libvirt-qemu"):
        (tmp_path / "cpu/machine" / group).mkdir(parents=True)
    mounts = tuple(str(tmp_path / name) for name in ("cpu", "memory", "unified"))
    monkeypatch.setattr(cgroups, "detect", lambda: cgroups.Cgroups("hybrid", mounts))

    traces._remove_groups([str(tmp_path / "memory/machine")], ["mine"])

    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/machine/**"))
    assert left == ["cpu/machine", "cpu/machine/qemu-4-other.libvirt-qemu", "memory/machine"]


def test_folders_that_hold_something_stay(
    tmp_path: Path, runner: Runner, sysctls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies below /run is bookkeeping and goes; an image that somebody saved elsewhere does not."""
    monkeypatch.setattr(daemons, "RUN", tmp_path / "run")
    for name in ("run/libvirt/qemu", "save", "dump"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "run/libvirt/qemu/autostarted").touch()
    (tmp_path / "save/guest.save").touch()

    traces._remove_folders([str(tmp_path / name) for name in ("run/libvirt", "save", "dump", "gone")])

    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "save"]
    assert list((tmp_path / "run").iterdir()) == []
