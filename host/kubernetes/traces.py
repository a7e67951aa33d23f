"""What the cluster changes on this machine: seen before it starts, taken back when it is down.

Links, rules, kernel settings, control groups, empty folders. Mounts need none of this (host/kubernetes/mounts.py). Left
out: processes, host/kubernetes/leftovers.py.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from host.kubernetes import layout, leftovers, mounts, network, rules
from machine import cgroups, commands
from machine.errors import Unavailable, VmlabError

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
SETTINGS = Path("/proc/sys")
# What the kubelet asks of cgroup v2 (pkg/kubelet/cm/cgroup_v2_manager_linux.go).
CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")
GONE_SECONDS = 10
Traces = dict[str, Any]


def take() -> Traces:
    """The machine before the cluster, as JSON."""
    return {
        "chains": rules.chains(),
        "sysctls": {name: _sysctl(name) for name in SYSCTLS},
        "absent": mounts.absent(),
        "handed_down": _handed_down(),
    }


def prepare() -> None:
    """What pods behind a service need of the kernel: traffic across the bridge passes the rules."""
    _load_bridge_rules()
    for name in ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"):
        if _sysctl(name) not in (None, "1"):
            (SETTINGS / name).write_text("1")


def _load_bridge_rules() -> None:
    """Docker loads the module, plain Debian does not. Without it a pod that asks a service whose pod is on the same bridge
    gets answers from an address it never asked. It stays loaded, as Docker leaves it: others may rely on it by then."""
    if (SETTINGS / "net/bridge").exists():
        return
    said = ""
    try:
        commands.run(["modprobe", "br_netfilter"], timeout_seconds=20)
    except VmlabError as error:
        said = f": {error}"
    if not (SETTINGS / "net/bridge").exists():
        raise Unavailable(
            f"kubernetes: this kernel does not pass a bridge's traffic through the firewall{said}",
            "load the kernel's module br_netfilter (modprobe br_netfilter)",
        )


def undo(before: Traces) -> list[str]:
    """Take back the difference; what was done, in words. The programs and the pods have ended."""
    done = []
    network.down()
    count = rules.remove(before["chains"])
    done += [f"{count} firewall chains"] if count else []
    done += [f"{name.replace('/', '.')} = {value}" for name, value in _put_back(before["sysctls"])]
    for folder in cgroup_roots():
        _remove_group(folder)
    _hand_back(before["handed_down"])
    mounts.remove(before["absent"])
    shutil.rmtree(layout.data(), ignore_errors=True)
    shutil.rmtree(layout.run(), ignore_errors=True)
    return done


def make_cgroups() -> None:
    """The group above all pods, in every hierarchy. With v2 its parent and itself must hand the controllers down."""
    for folder in cgroup_roots():
        folder.mkdir(exist_ok=True)
        if cgroups.detect().mode == "v2":
            _hand_down(folder.parent)
            _hand_down(folder)


def cgroup_roots() -> list[Path]:
    """Where the group above all pods is, or would be."""
    return [Path(mount) / layout.cgroup() for mount in cgroups.detect().mounts]


def _hand_down(folder: Path) -> None:
    names = [name for name in (folder / "cgroup.controllers").read_text().split() if name in CONTROLLERS]
    (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in names))


def _handed_down() -> list[str] | None:
    """The controllers that v2's root hands down; None where v1 has them."""
    mode, mounted = cgroups.detect().mode, cgroups.detect().mounts
    return (Path(mounted[0]) / "cgroup.subtree_control").read_text().split() if mode == "v2" else None


def _hand_back(before: list[str] | None) -> None:
    """One that a group of somebody else's uses by now stays."""
    for name in set(_handed_down() or ()) - set(before or ()):
        try:
            (Path(cgroups.detect().mounts[0]) / "cgroup.subtree_control").write_text(f"-{name}")
        except OSError:
            continue


def _remove_group(folder: Path) -> None:
    """From the leaves up; what ended a moment ago is still counted for a while."""
    deadline = time.monotonic() + GONE_SECONDS
    while folder.exists():
        for path in sorted((one for one in folder.rglob("*") if one.is_dir()), reverse=True):
            _rmdir(path)
        if not _rmdir(folder) and time.monotonic() > deadline:
            holding = ", ".join(map(str, leftovers.members(folder))) or "nobody who can be seen"
            raise VmlabError(f"{folder}: cannot be removed; in it: {holding}")
        time.sleep(0.02)


def _rmdir(path: Path) -> bool:
    try:
        path.rmdir()
    except OSError:
        return False
    return True


def _put_back(before: dict[str, str | None]) -> list[tuple[str, str]]:
    changed = []
    for name, value in before.items():
        if value is not None and _sysctl(name) not in (None, value):
            (SETTINGS / name).write_text(value)
            changed.append((name, value))
    return changed


def _sysctl(name: str) -> str | None:
    try:
        return (SETTINGS / name).read_text().strip()
    except OSError:
        return None
