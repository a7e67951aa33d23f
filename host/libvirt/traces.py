"""What libvirt leaves when it ends: noted before it starts, removed afterwards.

Measured with 9.0.0 and an isolated network: chains named LIBVIRT_* in three tables of iptables and of ip6tables with the
jumps to them, a control group `machine` in each hierarchy, folders. From its source: a network that forwards turns
ip_forward on and never off. Out of scope: bridges and taps, which go with their networks and domains, ended before.
"""

from __future__ import annotations

import glob
import shutil
from pathlib import Path
from typing import Any

from clients import docker
from host.libvirt import daemons
from machine import cgroups, files, firewall, sysctl

MARK = firewall.Mark(chain=r"LIBVIRT_.*")
SYSCTLS = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
STATE = Path("/var/lib/libvirt")
# libvirt 9.0 makes this one only with a dnsmasq to start. A network without DHCP and DNS starts none, and then its first
# domain fails: "Failed to create file '/var/lib/libvirt/dnsmasq/<bridge>.macs.new'".
NEEDED = STATE / "dnsmasq"
# libvirtd makes those of qemu at its start where the package did not.
QEMU = ("channel/target", "channel", "checkpoint", "dump", "nvram", "ram", "save", "snapshot")
FOLDERS = (*(STATE / "qemu" / name for name in QEMU), NEEDED)
Traces = dict[str, Any]


def take() -> Traces:
    """The machine before libvirt, as JSON."""
    folders = (daemons.RUN / "libvirt", *FOLDERS)
    return {
        "chains": firewall.chains(MARK),
        "sysctls": sysctl.snapshot(SYSCTLS),
        "cgroups": list(map(str, cgroups.named("machine"))),
        "absent": [str(path) for path in folders if not path.exists()],
    }


def prepare() -> None:
    """Make what libvirt needs and does not make itself."""
    NEEDED.mkdir(mode=0o755, parents=True, exist_ok=True)


def prepared() -> bool:
    """Whether it is there."""
    return NEEDED.is_dir()


def undo(before: Traces, domains: list[str]) -> list[str]:
    """Undo the difference; what was done, one line each. libvirtd has ended; `domains` are those that it had."""
    rules = firewall.remove(MARK, before["chains"])
    done = [f"{rules} firewall changes"] if rules else []
    # Not while a Docker answers: its containers need forwarding, and it turns it on only when it starts.
    done += [] if docker.answers(docker.SOCKET) else sysctl.put_back(before["sysctls"])
    done += [f"cgroup {path}" for path in _remove_groups(before["cgroups"], domains)]
    _remove_folders(before["absent"])
    return done


def _remove_groups(before: list[str], domains: list[str]) -> list[str]:
    """Remove groups of guests that were killed with their libvirtd, then the empty `machine`. One in use stays."""
    removed = []
    for machine in cgroups.named("machine"):
        for domain in domains:
            for group in machine.glob(f"qemu-*-{glob.escape(domain)}.libvirt-qemu"):
                removed += cgroups.prune(group)
        if str(machine) not in before and files.remove_empty(machine):
            removed.append(str(machine))
    return removed


def _remove_folders(absent: list[str]) -> None:
    """Remove those that did not exist before: libvirt's own records in /run, the others only when empty."""
    for path in map(Path, absent):
        if path.is_relative_to(daemons.RUN):
            shutil.rmtree(path, ignore_errors=True)
        else:
            files.remove_empty(path)
