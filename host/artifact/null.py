"""The floor: a tree that is one static binary.

Out of scope: a libc other than this machine's, so it is the same bytes on machines with the same libc6-dev and gcc.
"""

from __future__ import annotations

from pathlib import Path

from host.artifact.definition import Definition
from host.artifact.tree import normalise
from machine import commands

SOURCE = Path(__file__).resolve().parents[2] / "service" / "null.c"
PROGRAM = "null"
DEFINITION = Definition(SOURCE, "null", packages=[], command=[f"{{root}}/{PROGRAM}"], port=8080)
_FLAGS = ["-static", "-Os", "-s", "-Wl,--build-id=none", "-Wl,--gc-sections", "-Wall", "-Wextra", "-Werror"]


def build(root: Path) -> None:
    """Compile it into a tree of its own. No build id and no debug data, so it is the same each time."""
    root.mkdir()
    commands.run(["gcc", *_FLAGS, "-o", str(root / PROGRAM), str(SOURCE)], timeout_seconds=60)
    (root / PROGRAM).chmod(0o755)
    normalise(root, setuid=False)
