"""Bringing the cluster up: hiccups of a server that starts are waited out, and what a kill left undone is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from host import record
from host.kubernetes import (
    bringup,
    build,
    kubeconfigs,
    layout,
    leftovers,
    mounts,
    network,
    objects,
    pause,
    pki,
    programs,
    readiness,
    traces,
)
from machine import sysctl
from machine.errors import Unavailable, VmlabError
from tests.unit.host.conftest import Runner

BUSY = "the API server answered 429 to apply /apis/x: too many requests"
BRIDGE = "net/bridge/bridge-nf-call-iptables"


class Living:
    """A supervisor that lives, or is started."""

    log = Path("/log")

    def __init__(self) -> None:
        self.started = True

    def pid(self) -> int | None:
        """Its own."""
        return 1 if self.started else None

    def clear_stale(self, say: object) -> None:
        """Nothing."""

    def start(self, *_: object) -> None:
        """Now it lives."""
        self.started = True


@pytest.fixture(autouse=True)
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Living:
    """That of a machine on which everything is well."""
    found = Living()
    monkeypatch.setattr(bringup, "daemon", found)
    monkeypatch.setattr(bringup, "PAUSE", 0.001)
    monkeypatch.setattr(readiness, "trouble", lambda: "")
    monkeypatch.setattr(build, "ensure", lambda say: None)
    monkeypatch.setattr(objects, "make", lambda: None)
    return found


def hiccups(times: int, calls: list[str]) -> Callable[..., str]:
    """A call that fails so often, and then goes well."""

    def call(*_: object) -> str:
        calls.append("call")
        if len(calls) <= times:
            raise VmlabError(BUSY)
        return ""

    return call


@pytest.mark.parametrize(("module", "name"), [(objects, "make"), (readiness, "trouble")])
def test_hiccups_are_waited_out(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
    """A server that refuses twice while it starts is asked a third time, and `up` succeeds."""
    calls: list[str] = []
    monkeypatch.setattr(module, name, hiccups(2, calls))

    bringup.up("kubernetes", print)

    assert len(calls) == 3


def test_a_server_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the deadline the server's own words are in the error."""
    monkeypatch.setattr(bringup, "READY_SECONDS", 0.01)
    monkeypatch.setattr(objects, "make", hiccups(10**6, []))

    with pytest.raises(VmlabError, match=r"not ready after .*too many requests"):
        bringup.up("kubernetes", print)


def test_kubeconfigs_after_a_kill(monkeypatch: pytest.MonkeyPatch, supervisor: Living) -> None:
    """An `up` that was killed after the keys and before the kubeconfigs is completed by the next."""
    supervisor.started = False
    monkeypatch.setattr(pause, "make", lambda: None)
    monkeypatch.setattr(programs, "KNOWN", {})
    monkeypatch.setattr(leftovers, "clear", lambda say: None)
    monkeypatch.setattr(mounts, "prepare", lambda: None)
    monkeypatch.setattr(network, "up", lambda: None)
    for name in ("prepare", "make_cgroups"):
        monkeypatch.setattr(traces, name, lambda: None)
    record.keep("kubernetes", {"by": "child", "before": {}})
    pki.make()

    bringup.up("kubernetes", print)

    assert layout.kubeconfig().exists()
    assert all(layout.kubeconfig(user).exists() for user in kubeconfigs.CLIENTS)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Kernel settings of a plain Debian: br_netfilter is not loaded."""
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "sys/net/ipv4/ip_forward").write_text("0\n")
    monkeypatch.setattr(sysctl, "FOLDER", tmp_path / "sys")
    return tmp_path / "sys"


def load(settings: Path) -> None:
    """What the module brings; it may be turned off."""
    (settings / BRIDGE).parent.mkdir()
    (settings / BRIDGE).write_text("0\n")


def test_bridged_traffic_passes_the_rules(settings: Path, runner: Runner) -> None:
    """Where the kernel's module is not loaded it is, once, and its rules are on."""
    runner.answers["modprobe br_netfilter"] = lambda: load(settings)

    traces.prepare()
    traces.prepare()

    assert runner.commands == ["modprobe br_netfilter"]
    assert (settings / BRIDGE).read_text() == "1"
    assert (settings / "net/ipv4/ip_forward").read_text() == "1"


@pytest.mark.parametrize("answer", ["", VmlabError("modprobe br_netfilter: exit code 1\n  not found")])
def test_a_kernel_without_it_is_refused(settings: Path, runner: Runner, answer: str | VmlabError) -> None:
    """Where the module cannot be loaded, or brings nothing, the user is told what to load, and nothing is changed."""
    runner.answers["modprobe"] = answer

    with pytest.raises(Unavailable, match="br_netfilter") as refused:
        traces.prepare()

    assert ("not found" in refused.value.reason) == isinstance(answer, VmlabError)
    assert (settings / "net/ipv4/ip_forward").read_text() == "0\n"
