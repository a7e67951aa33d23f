"""The cluster's part of the firewall: its chains and the jumps to them go, everything else stays."""

from __future__ import annotations

from host.kubernetes import rules
from machine.firewall import parse

SAVED = """*nat
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


def test_only_our_chains_and_jumps_go() -> None:
    """Jumps first, then all chains emptied, then removed; Docker's and the user's own rules are not named."""
    lines = rules.undo(parse(SAVED), set()).splitlines()

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


def test_what_was_there_before_stays() -> None:
    """Chains of such a name that the machine had before the cluster are not ours."""
    before = {"nat CNI-HOSTPORT-DNAT", "mangle KUBE-KUBELET-CANARY"}

    text = rules.undo(parse(SAVED), before)

    assert "CNI-HOSTPORT-DNAT" not in text
    assert "CANARY" not in text
    assert rules.undo(parse("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"), set()) == ""
