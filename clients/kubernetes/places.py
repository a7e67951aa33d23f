"""Run-time files of the lab's own cluster: `host/kubernetes` writes them, this client and the substrate read them.

On disk the folder is called `cluster`, as in earlier versions, so that a cluster of theirs is found and taken down.
Out of scope: files that only the host uses (`host/kubernetes/layout.py`).
"""

from __future__ import annotations

from pathlib import Path

from machine import places

ON_DISK = "cluster"


def folder() -> Path:
    """Keys, configuration and sockets; gone after a reboot."""
    return places.run() / ON_DISK


def kubeconfig() -> Path:
    """The lab's kubeconfig; it exists while the cluster is up."""
    return folder() / "kubeconfig"


def containerd_socket() -> Path:
    """Where containerd listens."""
    return folder() / "containerd.sock"


def programs() -> Path:
    """JSON: the cluster's programs as the supervisor started them, with pid and start in clock ticks since boot."""
    return folder() / "programs.json"


def ready() -> Path:
    """JSON: `seconds` from nothing to a node that takes pods; only of a cluster that was brought up from nothing."""
    return folder() / "ready.json"
