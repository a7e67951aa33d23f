"""Replacing a file whole: a reader sees the old content or the new one, never a part of either. Removing an empty folder.

Out of scope: the engine's state, which is also synced with its directory and keeps its predecessor
(`engine/state/durable_files.py`).
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write(
    path: Path, content: str | bytes, *, mode: int = 0o644, durable: bool = False, owner: int | None = None
) -> None:
    """Replace `path` by `content` with these permission bits; `durable` has the data on disk before the name changes. `owner`
    is a uid, and the gid; only root may name one."""
    data = content.encode() if isinstance(content, str) else content
    with _staged(path, data, mode, durable=durable, owner=owner) as fresh:
        fresh.replace(path)


def create(path: Path, content: str, *, mode: int = 0o600) -> bool:
    """Create the file whole and durable; False, and nothing is changed, where it exists already."""
    with _staged(path, content.encode(), mode, durable=True) as fresh:
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            return False
    return True


def write_json(path: Path, value: Any, *, mode: int = 0o644) -> None:
    """The same with a value as indented JSON."""
    write(path, json.dumps(value, indent=2) + "\n", mode=mode)


def remove_empty(folder: Path) -> bool:
    """Remove an empty folder, or a control group without processes; False where it is in use or does not exist."""
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def read_text(path: Path) -> str:
    """What the file holds; "" when it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def read_json(path: Path) -> Any:
    """The value in a JSON file; None when there is no such file or it is not JSON."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


@contextmanager
def _staged(path: Path, data: bytes, mode: int, *, durable: bool, owner: int | None = None) -> Iterator[Path]:
    """The content under a random name beside `path`; nothing of that name is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask is
            if owner is not None:
                os.fchown(file.fileno(), owner, owner)
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)
