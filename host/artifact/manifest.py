"""The digest of a tree: SHA-256 over a sorted list of its entries, so that it says what is in it and not how it was packed."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from host.artifact.definition import Definition


def digest(tar: Path, definition: Definition) -> tuple[str, int]:
    """`sha256:...` of a tree and of how its service is started, and the bytes of its files."""
    total, whole = 0, hashlib.sha256()
    with tarfile.open(tar) as archive:
        for entry in archive:
            reader = archive.extractfile(entry) if entry.isreg() else None
            content = hashlib.sha256(reader.read()).hexdigest() if reader else entry.linkname
            row = [entry.name, entry.type.decode(), entry.mode, entry.uid, entry.gid, entry.size, content]
            whole.update(json.dumps(row).encode() + b"\n")
            total += entry.size
    start = [definition.command, definition.port, definition.health, sorted(definition.environment.items())]
    whole.update(json.dumps(start).encode())
    return f"sha256:{whole.hexdigest()}", total


def file_sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
