"""What the cluster changes on this machine: noted before it starts, undone when it is down.

Links, firewall rules, kernel parameters, control groups, empty folders. Mounts need none of this (`mounts`). Out of scope:
processes (`leftovers`).
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from host.kubernetes import layout, leftovers, mounts, network
from machine import cgroups, commands, firewall, sysctl
from machine.errors import Unavailable, VmlabError
from machine.waiting import Deadline

# kubelet (--protect-kernel-defaults=false), kube-proxy, and the bridge plugin.
SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv6/conf/all/forwarding",
    "net/netfilter/nf_conntrack_max",
    "net/bridge/bridge-nf-call-iptables",
)
# Our fence (`network`), and what kubelet, kube-proxy and the CNI plugins add and leave behind.
MARK = firewall.Mark(chain=r"KUBE-[A-Z0-9-]+|CNI-[A-Za-z0-9-]+|VMLAB-K8S[A-Z-]*")
# What the kubelet asks of cgroup v2 (pkg/kubelet/cm/cgroup_v2_manager_linux.go).
CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")
GONE_SECONDS = 10
Traces = dict[str, Any]


def take() -> Traces:
    """The machine before the cluster, as JSON."""
    return {
        "chains": firewall.chains(MARK),
        "sysctls": sysctl.snapshot(SYSCTLS),
        "absent": mounts.absent(),
        "handed_down": _handed_down(),
    }


def prepare() -> None:
    """What pods behind a service need of the kernel: traffic across the bridge passes the rules."""
    _load_bridge_rules()
    for name in ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"):
        if sysctl.read(name) not in (None, "1"):
            sysctl.write(name, "1")


def _load_bridge_rules() -> None:
    """Docker loads the module, plain Debian does not. Without it a pod that connects to a service whose pod is on the same
    bridge gets answers from the pod's address. It stays loaded, as Docker leaves it: other programs may rely on it by then."""
    if (sysctl.FOLDER / "net/bridge").exists():
        return
    what, reason = "kubernetes: this kernel does not pass a bridge's traffic through the firewall", ""
    try:
        commands.run(["modprobe", "br_netfilter"], timeout_seconds=20)
    except VmlabError as error:
        reason = f": {error}"
    if not (sysctl.FOLDER / "net/bridge").exists():
        fix = "load the kernel's module br_netfilter (modprobe br_netfilter)"
        raise Unavailable(what + reason, fix)


def undo(before: Traces) -> list[str]:
    """Undo the difference; what was done, one line each. The programs and the pods have ended."""
    done = []
    network.down()
    count = firewall.remove(MARK, before["chains"])
    done += [f"{count} firewall changes"] if count else []
    done += sysctl.put_back(before["sysctls"])
    for folder in cgroups.named(layout.cgroup()):
        _remove_group(folder)
    _hand_back(before["handed_down"])
    mounts.remove(before["absent"])
    shutil.rmtree(layout.data(), ignore_errors=True)
    shutil.rmtree(layout.run(), ignore_errors=True)
    return done


def make_cgroups() -> None:
    """The group above all pods, in every hierarchy. With v2 its parent and itself must hand the controllers down."""
    found = cgroups.detect()
    for mount in map(Path, found.mounts):
        (mount / layout.cgroup()).mkdir(exist_ok=True)
        if found.mode == "v2":
            _hand_down(mount)
            _hand_down(mount / layout.cgroup())


def _hand_down(folder: Path) -> None:
    names = [name for name in (folder / "cgroup.controllers").read_text().split() if name in CONTROLLERS]
    (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in names))


def _handed_down() -> list[str] | None:
    """The controllers that v2's root hands down; None where v1 has them."""
    found = cgroups.detect()
    control = Path(found.mounts[0], "cgroup.subtree_control") if found.mode == "v2" else None
    return control.read_text().split() if control else None


def _hand_back(before: list[str] | None) -> None:
    """A controller that another program's group uses by now stays."""
    for name in set(_handed_down() or ()) - set(before or ()):
        with suppress(OSError):
            Path(cgroups.detect().mounts[0], "cgroup.subtree_control").write_text(f"-{name}")


def _remove_group(folder: Path) -> None:
    """With those below it; processes that have just ended are counted for a while."""

    def gone() -> bool:
        cgroups.prune(folder)
        return not folder.exists()

    if not Deadline(GONE_SECONDS).until(gone):
        members = ", ".join(map(str, leftovers.members(folder))) or "no visible process"
        raise VmlabError(f"{folder}: cannot be removed; in it: {members}")
