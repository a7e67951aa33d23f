"""The launcher as a program: compiled once, kept by the content of its source. launcher.c states what it does.

Out of scope: other compilers than gcc, which the artifact is made with too.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from machine import places
from machine.commands import run
from machine.errors import Unavailable, VmlabError

SOURCES = ("launcher.c", "mounts.c", "links.c")
HEADERS = ("launcher.h",)
NAME = "vmlab-rungs"
FLAGS = ("-static", "-Os", "-s", "-Wl,--build-id=none", "-Wall", "-Wextra", "-Werror")
_HERE = Path(__file__).parent


def program() -> Path:
    """The compiled launcher; Unavailable where there is no compiler. The first call takes about half a second."""
    folder = places.cache() / "rungs" / _key()
    if not (folder / NAME).exists():
        _compile(folder)
    return folder / NAME


def _key() -> str:
    parts = [(_HERE / name).read_bytes() for name in (*SOURCES, *HEADERS)]
    return hashlib.sha256(b"".join([*parts, " ".join(FLAGS).encode()])).hexdigest()[:16]


def _compile(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{NAME}.{os.getpid()}"
    try:
        run(["gcc", *FLAGS, "-o", str(fresh), *(str(_HERE / name) for name in SOURCES)])
    except VmlabError as error:
        raise Unavailable(
            f"the launcher of the rungs could not be compiled: {error}",
            "apt-get install gcc libc6-dev linux-libc-dev",
        ) from None
    fresh.chmod(0o755)
    fresh.rename(folder / NAME)
