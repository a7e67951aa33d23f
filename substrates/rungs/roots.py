"""Which root file systems may be used: the artifacts' own trees, and one for the static binary that is the floor.

A tree is never changed, so it must already have the directories to mount on. The `null` variant is a single file:
it has a separate tree with such directories, made once and kept by its content. Out of scope: any other folder.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from machine import places
from machine.errors import InvalidInput, Unavailable
from substrates.inputs import artifact as artifacts
from substrates.inputs.artifact import Artifact

PLACES = ("data", "dev", "proc", "run", "tmp")


def check(root: Path) -> None:
    """InvalidInput when this folder is missing, or is not one that the lab has made."""
    if not root.is_dir():
        raise InvalidInput(f"the root file system {root} is missing; next: vmlab host up artifact")
    ours = [a.root.resolve() for a in artifacts.everything()]
    if root.resolve() not in ours and root.resolve().parent != _folder():
        raise InvalidInput(
            f"the root file system {root} is not one of the lab's; next: vmlab host up artifact"
        )


def of_null(artifact: Artifact) -> Path:
    """The tree of the static binary: made if it is not there."""
    digest = artifact.variants["null"]["tar_sha256"]
    folder = _folder() / f"null-{digest[:16]}"
    if not folder.exists():
        program = artifact.root.parent / "null" / "null"
        if not program.exists():
            raise Unavailable(f"there is no {program}", "vmlab host up artifact")
        fresh = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        for name in PLACES:
            (fresh / name).mkdir(parents=True)
        shutil.copy2(program, fresh / "null")
        fresh.rename(folder)
    return folder


def identity(root: Path) -> tuple[int, int]:
    """By which a folder is known wherever it is mounted; 0, 0 if it is not there."""
    try:
        found = root.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def _folder() -> Path:
    return places.cache() / "rungs" / "roots"
