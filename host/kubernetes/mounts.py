"""The cluster's own mount namespace, and the folders that its programs do not let us choose.

What they mount is invisible outside and is removed with their last process, so nothing can be left mounted. Mounts that
the host makes later are visible inside. Out of scope: the process that makes the namespace (bringup.py).
"""

from __future__ import annotations

from pathlib import Path

from host.kubernetes import layout
from machine import commands, files

KUBELET = "/var/lib/kubelet"
# kubelet: device plugins' socket; libcni: results; containerd: shims' sockets and runc's state.
FIXED = (KUBELET, "/var/log/containers", "/var/lib/cni", "/run/containerd")


def source(target: str) -> Path:
    """Our folder that stands in for a fixed one."""
    base = layout.run() if target.startswith("/run/") else layout.data()
    return base / target.strip("/").replace("/", "-")


def make() -> None:
    """Inside the namespace: put our folders over the fixed ones. Its mounts are shared among the cluster's own processes."""
    commands.run(["mount", "--make-rshared", "/"], timeout_seconds=10)
    for target in FIXED:
        source(target).mkdir(mode=0o711, parents=True, exist_ok=True)
        commands.run(["mount", "--bind", str(source(target)), target], timeout_seconds=10)


def prepare() -> None:
    """On the host: the empty folders that are mounted over."""
    for target in FIXED:
        Path(target).mkdir(parents=True, exist_ok=True)


def absent() -> list[str]:
    """Those that this machine does not have."""
    return [target for target in FIXED if not Path(target).exists()]


def remove(absent_before: list[str]) -> None:
    """Remove the empty folders again; one that is no longer empty stays."""
    for target in absent_before:
        files.remove_empty(Path(target))
