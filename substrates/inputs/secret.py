"""A secret as a file of the service's user, 0400, in a directory that is empty after a reboot.

A file, because an environment variable is visible in listings and Docker's uploads fail on a read-only root.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from machine import addresses, files, places


def write(name: str, value: str) -> Path:
    """Write the secret's file; the same name again replaces it."""
    path = path_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o755)
    files.write(path, value, mode=0o400, owner=addresses.USER if os.geteuid() == 0 else None)
    return path


def fingerprint(name: str) -> str:
    """SHA-256 of what the file holds; "" when there is none."""
    try:
        return hashlib.sha256(path_of(name).read_bytes()).hexdigest()
    except OSError:
        return ""


def path_of(name: str) -> Path:
    """Where the secret of this name is, or would be."""
    return places.run() / "secret" / name / "secret"


def remove(name: str) -> None:
    """Remove the file and its directory."""
    path = path_of(name)
    path.unlink(missing_ok=True)
    files.remove_empty(path.parent)


def names() -> list[str]:
    """Every secret that exists."""
    return sorted(path.parent.name for path in (places.run() / "secret").glob("*/secret"))
