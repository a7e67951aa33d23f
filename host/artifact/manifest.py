"""What is in a tree, one row an entry, and the digest of it all: it covers what is there and not how it was packed.

The artifact's digest covers the tree with the service and how the service is started. Out of scope: times, which are fixed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from host.artifact.definition import Definition

Row = dict[str, Any]
_TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def rows(root: Path) -> list[Row]:
    """Every entry, sorted by its path."""
    return [_row(root, path) for path in sorted(_entries(root), key=str)]


def digest(listed: Sequence[Row], definition: Definition) -> str:
    """`sha256:...` of a tree and of how its service is started."""
    command = {
        "command": definition.command,
        "port": definition.port,
        "health": definition.health,
        "environment": definition.environment,
        "templates": definition.templates(),
    }
    return f"sha256:{hashlib.sha256((lines(listed) + _line(command)).encode()).hexdigest()}"


def lines(listed: Sequence[Row]) -> str:
    """One JSON object a line."""
    return "".join(map(_line, listed))


def tree_bytes(listed: Sequence[Row]) -> int:
    """What the files of a tree hold."""
    return sum(row["size"] for row in listed)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entries(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        yield from (Path(folder) / name for name in (*names, *files))


def _row(root: Path, path: Path) -> Row:
    found = path.lstat()
    kind = _TYPES[stat.S_IFMT(found.st_mode)]
    row = {
        "path": f"/{path.relative_to(root)}",
        "type": kind,
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "uid": found.st_uid,
        "gid": found.st_gid,
        "size": found.st_size if kind == "file" else 0,
    }
    if kind == "file":
        row["sha256"] = file_sha256(path)
    elif kind == "link":
        row["target"] = str(path.readlink())
    return row


def _line(row: Row) -> str:
    return json.dumps(row, sort_keys=True) + "\n"
