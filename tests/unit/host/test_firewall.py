"""What a daemon added to the firewall is removed; rules and chains of other programs stay."""

from __future__ import annotations

import pytest

from host.docker.traces import MARK as DOCKER_MARK
from host.kubernetes.traces import MARK as KUBERNETES_MARK
from host.libvirt.traces import MARK as LIBVIRT_MARK
from machine import commands, firewall
from machine.firewall import parse
from tests.unit.host.conftest import Runner

# iptables-save before and after dockerd 20.10 in an empty network namespace, shortened; `ufw` and the 10.0.0.0/8 rule
# stand for what others added before and meanwhile.
BEFORE = """*filter
:INPUT ACCEPT [7:420]
:FORWARD ACCEPT [0:0]
:ufw - [0:0]
-A INPUT -j ufw
COMMIT
"""
AFTER = """*filter
:INPUT ACCEPT [99:4200]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:ufw - [0:0]
-A INPUT -j ufw
-A INPUT -s 10.0.0.0/8 -m comment --comment "two words" -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i br-0123456789ab ! -o br-0123456789ab -j ACCEPT
-A FORWARD -i br-office -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -s 198.18.0.0/28 ! -o docker0 -j MASQUERADE
COMMIT
"""
# An iptables-save after a network of the user's and Docker, shortened.
LIBVIRT = """\
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
CLUSTER = """*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A KUBE-SERVICES -d 198.19.128.1/32 -p tcp -j KUBE-SVC-NPX46M4PTMTKRN6Y
COMMIT
*filter
:FORWARD DROP [0:0]
:VMLAB-K8S - [0:0]
-A FORWARD -j VMLAB-K8S
-A FORWARD -s 10.0.0.0/8 -m comment --comment "not KUBE-SERVICES" -j ACCEPT
-A VMLAB-K8S -o vmlab-k8s -j DROP
COMMIT
*mangle
:KUBE-KUBELET-CANARY - [0:0]
:VMLAB-K8S-PRE - [0:0]
-A PREROUTING -d 198.19.128.0/17 -j VMLAB-K8S-PRE
-A VMLAB-K8S-PRE -j DROP
COMMIT
"""


def test_dockers_policy_rules_and_chains_go() -> None:
    """Policy, rules, then chains are undone; rules and chains of other programs stay."""
    assert firewall.undo(parse(BEFORE), parse(AFTER), DOCKER_MARK).splitlines() == [
        "*filter",
        ":FORWARD ACCEPT [0:0]",
        "-D FORWARD -j DOCKER-USER",
        "-D FORWARD -o docker0 -j DOCKER",
        "-D FORWARD -i br-0123456789ab ! -o br-0123456789ab -j ACCEPT",
        "-F DOCKER",
        "-F DOCKER-USER",
        "-X DOCKER",
        "-X DOCKER-USER",
        "COMMIT",
        "*nat",
        "-D POSTROUTING -s 198.18.0.0/28 ! -o docker0 -j MASQUERADE",
        "COMMIT",
    ]


def test_what_docker_had_before_stays() -> None:
    """Chains of a Docker that ran before `up`, and a policy of DROP, are not changed."""
    assert firewall.undo(parse(AFTER), parse(AFTER), DOCKER_MARK) == ""


def test_libvirts_chains_and_jumps_go() -> None:
    """Jumps first, then chains are emptied and removed; other rules stay, whatever their comments contain."""
    assert firewall.undo({}, parse(LIBVIRT), LIBVIRT_MARK).splitlines() == [
        "*filter",
        "-D INPUT -j LIBVIRT_INP",
        "-D FORWARD -j LIBVIRT_FWI",
        "-F LIBVIRT_FWI",
        "-F LIBVIRT_INP",
        "-X LIBVIRT_FWI",
        "-X LIBVIRT_INP",
        "COMMIT",
        "*nat",
        "-D POSTROUTING -j LIBVIRT_PRT",
        "-F LIBVIRT_PRT",
        "-X LIBVIRT_PRT",
        "COMMIT",
    ]


def test_the_clusters_chains_and_jumps_go() -> None:
    """Jumps first, then all chains emptied, then removed; Docker's and the user's own rules are not named."""
    lines = firewall.undo({}, parse(CLUSTER), KUBERNETES_MARK).splitlines()

    assert lines == [
        "*nat",
        '-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        "-D PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
        "-F KUBE-SERVICES",
        "-F KUBE-SVC-NPX46M4PTMTKRN6Y",
        "-F CNI-HOSTPORT-DNAT",
        "-X KUBE-SERVICES",
        "-X KUBE-SVC-NPX46M4PTMTKRN6Y",
        "-X CNI-HOSTPORT-DNAT",
        "COMMIT",
        "*filter",
        "-D FORWARD -j VMLAB-K8S",
        "-F VMLAB-K8S",
        "-X VMLAB-K8S",
        "COMMIT",
        "*mangle",
        "-D PREROUTING -d 198.19.128.0/17 -j VMLAB-K8S-PRE",
        "-F KUBE-KUBELET-CANARY",
        "-F VMLAB-K8S-PRE",
        "-X KUBE-KUBELET-CANARY",
        "-X VMLAB-K8S-PRE",
        "COMMIT",
    ]


def test_chains_that_were_there_before_stay(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `chains` noted before the daemon is kept, with the jumps to it; each family is changed in one step a table."""
    monkeypatch.setattr(commands, "find", lambda name: name if name == "iptables-save" else None)
    runner.answers["iptables-save"] = LIBVIRT
    noted = firewall.chains(LIBVIRT_MARK)
    assert noted == {
        "iptables": ["filter LIBVIRT_FWI", "filter LIBVIRT_INP", "nat LIBVIRT_PRT"],
        "ip6tables": [],
    }

    assert firewall.remove(LIBVIRT_MARK, noted) == 0
    assert firewall.remove(LIBVIRT_MARK, {"iptables": noted["iptables"][:2]}) == 3

    assert runner.began("iptables-restore") == ["iptables-restore --noflush --wait=5"]


def test_a_clean_firewall_needs_no_change() -> None:
    """Tables without a chain of the daemon's give no input to iptables-restore."""
    assert firewall.undo({}, parse("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"), KUBERNETES_MARK) == ""
