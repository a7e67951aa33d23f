"""Docker's part of the firewall's difference, and nobody else's."""

from __future__ import annotations

from machine import firewall

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


def test_undo() -> None:
    """Policy, rules, then chains are taken back; rules and chains of others stay."""
    assert [" ".join(command) for command in firewall.undo(BEFORE, AFTER)] == [
        "iptables -t filter -P FORWARD ACCEPT",
        "iptables -t filter -D FORWARD -j DOCKER-USER",
        "iptables -t filter -D FORWARD -o docker0 -j DOCKER",
        "iptables -t filter -D FORWARD -i br-0123456789ab ! -o br-0123456789ab -j ACCEPT",
        "iptables -t filter -F DOCKER",
        "iptables -t filter -F DOCKER-USER",
        "iptables -t filter -X DOCKER",
        "iptables -t filter -X DOCKER-USER",
        "iptables -t nat -D POSTROUTING -s 198.18.0.0/28 ! -o docker0 -j MASQUERADE",
    ]


def test_what_docker_had_before_stays() -> None:
    """Chains of a Docker that was there before `up` are none of ours, and a policy of DROP stays one."""
    assert firewall.undo(AFTER, AFTER) == []
