"""Where the lab keeps things on this machine.

As root under /var/lib and /run, never under a home directory, because the service's and QEMU's users cannot traverse one;
otherwise the XDG folders. VMLAB_HOME moves all of it, for tests.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """What can be made again: root file systems, images, clusters."""
    return _base("XDG_CACHE_HOME", ".cache") / "cache"


def state() -> Path:
    """What must not be lost: the stacks' states, data of their services."""
    return _base("XDG_STATE_HOME", ".local/state") / "state"


def runs() -> Path:
    """The results of measuring."""
    return _base("XDG_STATE_HOME", ".local/state") / "runs"


def run() -> Path:
    """What is gone after a reboot: pids, sockets, secrets of what runs."""
    if home := os.environ.get("VMLAB_HOME"):
        return Path(home) / "run"
    if os.geteuid() == 0:
        return Path("/run/vmlab")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or state()) / "vmlab"


def _base(variable: str, default: str) -> Path:
    if home := os.environ.get("VMLAB_HOME"):
        return Path(home)
    if os.geteuid() == 0:
        return Path("/var/lib/vmlab")
    return Path(os.environ.get(variable) or Path.home() / default) / "vmlab"
