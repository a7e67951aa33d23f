"""A secret as a file of the service's user, 0400, in a directory that is gone after a reboot.

A file, because an environment variable shows in listings and Docker's uploads fail on a read-only root.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from machine import places
from substrates.process import USER


def write(name: str, value: str) -> Path:
    """Write the secret's file; the same name again replaces it."""
    path = _path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o755)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w") as file:
        file.write(value)
    if os.geteuid() == 0:
        os.chown(fresh, USER, USER)
    fresh.rename(path)
    return path


def fingerprint(name: str) -> str:
    """SHA-256 of what the file holds; "" when there is none."""
    try:
        return hashlib.sha256(_path(name).read_bytes()).hexdigest()
    except OSError:
        return ""


def path_of(name: str) -> Path:
    """Where the secret of this name is, or would be."""
    return _path(name)


def remove(name: str) -> None:
    """Remove the file and its directory."""
    path = _path(name)
    path.unlink(missing_ok=True)
    try:
        path.parent.rmdir()
    except OSError:
        pass


def names() -> list[str]:
    """Every secret that is there."""
    return sorted(path.parent.name for path in (places.run() / "secret").glob("*/secret"))


def _path(name: str) -> Path:
    return places.run() / "secret" / name / "secret"
