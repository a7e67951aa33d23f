"""Kubernetes: upstream's own programs on this machine, as children of ours, systemd or not.

One node. Its kubeconfig is the lab's own (`kubeconfig` in `host status --json`), never the user's default. Out of scope: a
cluster that the user names, which needs no part.
"""

from __future__ import annotations

import os

from host import packages, record
from host.kubernetes import bringup, build, layout, readiness
from host.packages import Package
from host.reporting import Say, Status
from machine import cgroups
from machine.errors import Unavailable, VmlabError

NAME = "kubernetes"
PACKAGES: tuple[Package, ...] = (
    Package("containerd", "containerd"),
    Package("runc", "runc"),
    Package("containernetworking-plugins"),
    Package("iptables", "iptables"),
    Package("iproute2", "ip"),
    Package("gcc", "gcc"),
    Package("libc6-dev"),
)


def needs() -> None:
    if os.geteuid() != 0:
        raise Unavailable("only root can run a Kubernetes node", "sudo vmlab host up kubernetes")
    bringup.refuse_taken_ports()
    build.refuse_small_disk()
    packages.needs(PACKAGES)
    if cgroups.detect().mode == "none":
        raise Unavailable("no control groups are mounted", "vmlab host up docker")


def downloads() -> list[str]:
    return build.downloads()


def status() -> Status:
    fix = "vmlab host up kubernetes"
    if record.entry(NAME) is None:
        if not build.is_built():
            return Status(NAME, "missing", False, f"Kubernetes {build.VERSION} is not built yet", fix)
        return Status(NAME, "stopped", False, f"Kubernetes {build.VERSION} is built; no cluster is up", fix)
    kubeconfig = str(layout.kubeconfig())
    if bringup.daemon.pid() is None:
        detail = f"vmlab started it and it has ended; its log: {bringup.daemon.log}"
        return Status(NAME, "stopped", True, detail, fix, kubeconfig)
    trouble = readiness.trouble()
    if trouble:
        return Status(NAME, "stopped", True, trouble, fix, kubeconfig)
    again = ", ".join(f"{name} {count}x" for name, count in readiness.restarts().items())
    detail = f"{build.VERSION} at {layout.API}, {layout.NODE} Ready" + (
        f"; started again: {again}" if again else ""
    )
    return Status(NAME, "running", True, detail, kubeconfig=kubeconfig)


def up(say: Say) -> None:
    bringup.up(NAME, say)
    say(f"kubernetes: KUBECONFIG={layout.kubeconfig()} {build.program('kubectl')} get nodes")


def down(say: Say, *, force: bool = False) -> None:
    entry = record.entry(NAME)
    if entry is None:
        say("kubernetes: not started by vmlab, left alone")
        return
    pods = bringup.workloads()
    if pods and not force:
        raise VmlabError(
            f"kubernetes: pods still run: {', '.join(pods[:8])}{' ...' if len(pods) > 8 else ''}\n"
            "  next: destroy their stack, or vmlab host down --force kubernetes"
        )
    bringup.down(entry["before"], say)
    record.forget(NAME)
    say(f"kubernetes: down; {build.folder()} stays as a cache")
