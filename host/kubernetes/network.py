"""The cluster's network: one bridge with the node's address and the pods', the route of the services, and a fence.

The fence is three chains of ours. Pods talk to each other and to this machine; nothing from outside reaches them, a
service or the node's address, and nothing of theirs leaves. What comes in is dropped before kube-proxy sees it, whose own
chain comes before ours in FORWARD and accepts what was forwarded to a pod. The route exists before the API server: a packet
for a service that is not programmed yet would otherwise leave the machine by the default route. Out of scope: IPv6, and
network policies, which the bridge plugin does not enforce.
"""

from __future__ import annotations

import socket

from host.kubernetes import layout
from machine import addresses, commands, files

FORWARD, INPUT, BEFORE = "VMLAB-K8S", "VMLAB-K8S-IN", "VMLAB-K8S-PRE"


def up() -> None:
    """Bridge, addresses, route, fence, and the plugins' configuration. Doing it again changes nothing."""
    if not exists():
        commands.run(["ip", "link", "add", layout.BRIDGE, "type", "bridge"], timeout_seconds=10)
    _ip("link", "set", layout.BRIDGE, "up")
    _ip("address", "replace", f"{addresses.NODE}/32", "dev", layout.BRIDGE)
    _ip("address", "replace", f"{addresses.PODS_GATEWAY}/17", "dev", layout.BRIDGE)
    _ip("route", "replace", addresses.SERVICES, "dev", layout.BRIDGE, "src", addresses.NODE)
    _fence()
    _configure()


def down() -> None:
    """Remove the bridge, and with it addresses and routes. The fence is removed with the other rules (traces.py)."""
    if exists():
        _ip("link", "delete", layout.BRIDGE)


def exists() -> bool:
    """Whether the bridge is there."""
    return any(name == layout.BRIDGE for _, name in socket.if_nameindex())


def _fence() -> None:
    lines = [
        "*filter",
        f":{FORWARD} - [0:0]",
        f":{INPUT} - [0:0]",
        f"-A {FORWARD} -i {layout.BRIDGE} -o {layout.BRIDGE} -j ACCEPT",
        f"-A {FORWARD} -i {layout.BRIDGE} -j REJECT",
        f"-A {FORWARD} -o {layout.BRIDGE} -j DROP",
        f"-A {INPUT} -i {layout.BRIDGE} -j RETURN",
        f"-A {INPUT} -i lo -j RETURN",
        f"-A {INPUT} -j DROP",
        "COMMIT",
        "*mangle",  # the first table of ours that a packet meets while it still has the address of a service
        f":{BEFORE} - [0:0]",
        f"-A {BEFORE} -i {layout.BRIDGE} -j RETURN",
        f"-A {BEFORE} -i lo -j RETURN",
        f"-A {BEFORE} -j DROP",
        "COMMIT",
    ]
    commands.run(
        ["iptables-restore", "--noflush", "--wait=5"], timeout_seconds=20, input_text="\n".join(lines) + "\n"
    )
    _jump("filter", "FORWARD", "-j", FORWARD)
    _jump("filter", "INPUT", "-d", f"{addresses.NODE}/32", "-j", INPUT)
    for fenced in (addresses.SERVICES, addresses.PODS, f"{addresses.NODE}/32"):
        _jump("mangle", "PREROUTING", "-d", fenced, "-j", BEFORE)


def _jump(table: str, chain: str, *rule: str) -> None:
    """First in its chain: Docker's own rules, and a policy of DROP, come after."""
    command = ["iptables", "-w", "5", "-t", table]
    saved = commands.run([*command, "-S", chain], timeout_seconds=20)
    if " ".join(["-A", chain, *rule]) not in saved.splitlines():
        commands.run([*command, "-I", chain, "1", *rule], timeout_seconds=20)


def _configure() -> None:
    given = {
        "type": "host-local",
        "ranges": [[{"subnet": addresses.PODS, "gateway": addresses.PODS_GATEWAY}]],
        "routes": [{"dst": "0.0.0.0/0", "gw": addresses.PODS_GATEWAY}],
        "dataDir": str(layout.data() / "addresses"),
    }
    bridge = {
        "type": "bridge",
        "bridge": layout.BRIDGE,
        "isGateway": False,  # the plugin allows the bridge no second address; this one has them both already
        "hairpinMode": True,  # a pod that reaches itself through its service
        "ipMasq": False,
        "ipam": given,
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    content = {"cniVersion": "1.0.0", "name": "vmlab", "plugins": [bridge, portmap]}
    files.write_json(layout.configuration("cni") / "10-vmlab.conflist", content)


def _ip(*words: str) -> None:
    commands.run(["ip", *words], timeout_seconds=10)
