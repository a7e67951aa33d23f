"""A tree as a tar that is the same bytes each time: sorted, one fixed time, no names of users.

Out of scope: compression, whose bytes depend on the library's version, and extended attributes.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

from host.artifact.manifest import Row
from host.artifact.tree import SECONDS


def pack(root: Path, listed: list[Row], target: Path) -> None:
    """Write the listed entries of a tree."""
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for row in listed:
            path = root / row["path"].lstrip("/")
            entry = _normal(archive.gettarinfo(path, row["path"].lstrip("/")))
            if entry.isreg():
                with path.open("rb") as file:
                    archive.addfile(entry, file)
            else:
                archive.addfile(entry)


def _normal(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = SECONDS
    entry.uname = entry.gname = ""
    return entry
