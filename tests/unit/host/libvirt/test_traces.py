"""What libvirt leaves, taken back: only its own, and only what was not there before."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.docker import api
from host.libvirt import daemons, traces
from machine import cgroups
from tests.unit.host.conftest import Runner

# An iptables-save after a network of the user's and Docker, shortened.
SAVED = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
:LIBVIRT_FWI - [0:0]
:LIBVIRT_INP - [0:0]
-A INPUT -j LIBVIRT_INP
-A INPUT -s 10.0.0.0/8 -m comment --comment "mine -j LIBVIRT_INP" -j ACCEPT
-A INPUT -s 10.0.0.0/8 -j LOG --log-prefix LIBVIRT_INP
-A FORWARD -j DOCKER-USER
-A FORWARD -j LIBVIRT_FWI
-A LIBVIRT_INP -i vmlab0 -p udp -m udp --dport 53 -j ACCEPT
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
:LIBVIRT_PRT - [0:0]
-A POSTROUTING -j LIBVIRT_PRT
COMMIT
"""


@pytest.fixture
def sysctls(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The values that are read, in place of /proc/sys, which a test must not touch."""
    values = {"net/ipv4/ip_forward": "1"}
    monkeypatch.setattr(traces, "_sysctl", values.get)
    return values


def test_chains_and_jumps_go_in_the_order_that_iptables_takes() -> None:
    """Jumps first, then chains are emptied and removed; rules and chains of others stay, whatever words they hold."""
    assert [" ".join(words) for words in traces.unchain(SAVED, [])] == [
        "-t filter -D INPUT -j LIBVIRT_INP",
        "-t filter -D FORWARD -j LIBVIRT_FWI",
        "-t filter -F LIBVIRT_FWI",
        "-t filter -F LIBVIRT_INP",
        "-t filter -X LIBVIRT_FWI",
        "-t filter -X LIBVIRT_INP",
        "-t nat -D POSTROUTING -j LIBVIRT_PRT",
        "-t nat -F LIBVIRT_PRT",
        "-t nat -X LIBVIRT_PRT",
    ]


def test_chains_that_were_there_before_stay() -> None:
    """A libvirt that ran before ours left its own, and may come back to them."""
    before = ["filter LIBVIRT_FWI", "filter LIBVIRT_INP"]

    assert {words[1] for words in traces.unchain(SAVED, before)} == {"nat"}


def test_forwarding_is_left_to_a_docker_that_answers(
    sysctls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its containers need ip_forward, and it sets it only when it starts."""
    monkeypatch.setattr(api, "answers", lambda path: True)

    assert traces._put_back({"net/ipv4/ip_forward": "0"}) == []


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
