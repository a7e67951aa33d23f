"""The fence: which packets are led to which chain of ours. What the chains do with them is seen in tests/live/host."""

from __future__ import annotations

import pytest

from host.kubernetes import network
from machine import addresses
from tests.unit.host.conftest import Runner

FENCED = (addresses.SERVICES, addresses.PODS, f"{addresses.NODE}/32")


@pytest.fixture(autouse=True)
def bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there already."""
    monkeypatch.setattr(network, "exists", lambda: True)


def test_what_comes_in_meets_the_fence_before_kube_proxy(runner: Runner) -> None:
    """Packets to services, pods and the node go through our chain in mangle, which comes before any translation."""
    network.up()

    for fenced in FENCED:
        assert f"iptables -w 5 -t mangle -I PREROUTING 1 -d {fenced} -j VMLAB-K8S-PRE" in runner.commands


def test_a_second_time_changes_nothing(runner: Runner) -> None:
    """A jump that is there is not put in again."""
    jumps = [f"-A PREROUTING -d {fenced} -j VMLAB-K8S-PRE" for fenced in FENCED]
    runner.answers["iptables -w 5 -t mangle -S PREROUTING"] = "\n".join(["-P PREROUTING ACCEPT", *jumps])

    network.up()

    assert runner.began("iptables -w 5 -t mangle -I") == []
