"""Where the lab keeps things on this machine.

Root uses the system's folders, because QEMU's and the service's users cannot traverse a home directory; everybody else
the XDG folders. VMLAB_HOME overrides all of them (tests). Left out: the folders of single parts.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """What can be made again: packages' data, images."""
    return _choose("cache", Path("/var/lib/vmlab/cache"), "XDG_CACHE_HOME", ".cache")


def state() -> Path:
    """What cannot: the engine's state."""
    return _choose("state", Path("/var/lib/vmlab/state"), "XDG_STATE_HOME", ".local/state")


def runs() -> Path:
    """Results of measurements."""
    return _choose("runs", Path("/var/lib/vmlab/runs"), "XDG_DATA_HOME", ".local/share", "runs")


def run() -> Path:
    """Pid files, logs and the record of what is up: gone after a reboot, as the daemons are."""
    return _choose("run", Path("/run/vmlab"), "XDG_RUNTIME_DIR", ".local/state", "run")


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
