"""A folder for data that outlives the process that writes it, owned by the service's user. Removing it removes the data."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from machine import addresses, places
from machine.errors import InvalidInput


def make(name: str) -> Path:
    """Make it, or use the existing one with its data; 0700, owned by the service's user."""
    path = path_of(name)
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(path, addresses.USER, addresses.USER)
    return path


def find(name: str) -> Path | None:
    """Where it is; None when it does not exist."""
    path = path_of(name)
    return path if path.is_dir() else None


def remove(name: str) -> None:
    """Remove it with its data."""
    shutil.rmtree(path_of(name), ignore_errors=True)


def names() -> list[str]:
    """Every folder that exists."""
    return sorted(path.name for path in _home().glob("vmlab-*"))


def path_of(name: str) -> Path:
    """Where the folder of this name is, or would be; InvalidInput for a name that leads elsewhere."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InvalidInput(f"a folder's name has letters, digits, dots and dashes, not {name!r}")
    return _home() / name


def _home() -> Path:
    return places.state().parent / "volumes"
