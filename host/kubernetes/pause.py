"""The image of a pod's first process: one static binary, compiled here and pushed to the loopback registry.

The tag follows from its bytes, so that a newer one is pulled. Out of scope: a libc other than this machine's.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from host.artifact import archive, image, manifest
from host.artifact.definition import Definition
from host.artifact.tree import normalise
from host.kubernetes import layout
from machine import addresses, commands, files, places

SOURCE = Path(__file__).with_name("pause.c")
DEFINITION = Definition(SOURCE, "pause", packages=[], command=["{root}/pause"], port=0)
_FLAGS = ["-static", "-Os", "-s", "-Wl,--build-id=none", "-Wall", "-Wextra", "-Werror"]


def make() -> None:
    """Compile it, push it, and note its name."""
    base = places.make(layout.cache() / "pause")
    tree, tar = base / "tree", base / "pause.tar"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    commands.run(["gcc", *_FLAGS, "-o", str(tree / "pause"), str(SOURCE)], timeout_seconds=60)
    (tree / "pause").chmod(0o755)
    normalise(tree, setuid=False)
    archive.pack(tree, manifest.rows(tree), tar)
    made = image.describe(DEFINITION, tar)
    image.push(made, addresses.REGISTRY)
    files.write_json(_note(), {"image": f"{addresses.REGISTRY}/{made.name}"})


def name() -> str:
    """What the registry calls it."""
    return str(json.loads(_note().read_text())["image"])


def _note() -> Path:
    return layout.cache() / "pause" / "image.json"
