"""Where the lab keeps things on this machine.

As root under /var/lib and /run, never under a home directory, because the service's and QEMU's users cannot traverse one;
otherwise the XDG folders. VMLAB_HOME moves all of it, for tests. Out of scope: the folders of single parts.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """What can be made again: packages' data, root file systems, images.

    By its real path, because a running process is known by it, and a link to a larger disk may change."""
    return _choose("cache", Path("/var/lib/vmlab/cache"), "XDG_CACHE_HOME", ".cache").resolve()


def state() -> Path:
    """What must not be lost: the stacks' states."""
    return _choose("state", Path("/var/lib/vmlab/state"), "XDG_STATE_HOME", ".local/state")


def runs() -> Path:
    """The results of measuring."""
    return _choose("runs", Path("/var/lib/vmlab/runs"), "XDG_DATA_HOME", ".local/share", "runs")


def run() -> Path:
    """What is gone after a reboot: pids, logs, secrets of what runs, the record of what is up."""
    return _choose("run", Path("/run/vmlab"), "XDG_RUNTIME_DIR", ".local/state", "run")


def pools() -> Path:
    """The storage pools of libvirt. QEMU's user must be able to pass through."""
    return _choose("pools", Path("/var/lib/vmlab/pools"), "XDG_DATA_HOME", ".local/share", "pools")


def make(folder: Path) -> Path:
    """The folder, made if it was not there."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _choose(name: str, system: Path, variable: str, fallback: str, below: str = "") -> Path:
    home = os.environ.get("VMLAB_HOME")
    if home:
        return Path(home).absolute() / name
    if os.geteuid() == 0:
        return system
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / fallback) / "vmlab" / below
