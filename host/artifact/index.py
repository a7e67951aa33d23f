"""The index of what was built: what `substrates.inputs.artifact` reads, and by which a build is known to be complete.

Out of scope: whether the images are pushed, which the registry knows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from host.artifact import archive, image, manifest, null, tree
from host.artifact.definition import Definition
from machine import addresses, files
from machine.errors import InvalidInput

FILE = "index.json"
Index = dict[str, Any]


def write(path: Path, index: Index) -> None:
    """Replace the file whole; every user may read it."""
    files.write_json(path, index)


def read(folder: Path) -> Index | None:
    """The index of a complete build; None if there is none, or a part of it is missing or truncated."""
    try:
        index: Index = json.loads((folder / FILE).read_text())
        sizes = [(Path(v["tar"]).stat().st_size, v["tar_bytes"]) for v in index["variants"].values()]
    except (OSError, ValueError, KeyError):
        return None
    whole = all(size == wanted for size, wanted in sizes) and Path(index["root"]).is_dir()
    return index if whole else None


def images(definition: Definition, index: Index) -> dict[str, image.Image]:
    """The images of a build by variant."""
    described = {"slim": definition, "null": null.DEFINITION}
    return {
        name: image.describe(one, Path(index["variants"][name]["tar"])) for name, one in described.items()
    }


def check_command(definition: Definition, root: Path) -> Path:
    """The real path in the tree of the command's program; InvalidInput if it is not there or cannot be started in place."""
    name = definition.command[0].removeprefix("{root}")
    program = tree.inside(root, name)
    if not program.is_file() or not program.stat().st_mode & 0o111:
        packages = ", ".join(definition.packages)
        raise InvalidInput(f"{definition.path}: 'command': no program {name} in {packages} or 'files'")
    try:
        tree.interpreter(root, program)
    except ValueError as error:
        raise InvalidInput(f"{definition.path}: 'command': {name} {error}") from None
    return program


def describe(definition: Definition, fresh: Path, packages: dict[str, dict[str, str]]) -> Index:
    """Pack the trees of a build, and say what they are."""
    root = fresh / "slim"
    program = check_command(definition, root)
    slim = manifest.rows(root)
    (fresh / "manifest.jsonl").write_text(manifest.lines(slim))
    listed = {"slim": slim, "full": manifest.rows(fresh / "full"), "null": manifest.rows(fresh / "null")}
    return {
        "name": definition.name,
        "version": definition.version,
        "artifact": manifest.digest(slim, definition),
        "command": definition.command,
        "port": definition.port,
        "health": definition.health,
        "echoes_nonce": definition.echoes_nonce,
        "environment": definition.environment,
        "templates": definition.templates(),
        "root": str(root),
        "loader": tree.interpreter(root, program),
        "library_path": tree.library_path(root),
        "variants": {name: _variant(fresh, name, rows, packages) for name, rows in listed.items()},
    }


def add_images(definition: Definition, index: Index) -> None:
    """Name and digests of the images, which follow from the tars."""
    for name, one in images(definition, index).items():
        facts = {"image": f"{addresses.REGISTRY}/{one.name}", "image_digest": one.digest, "image_id": one.id}
        index["variants"][name] |= facts


def moved(index: Index, old: Path, new: Path) -> Index:
    """The same index with the paths that hold after the build's folder got its name."""
    text = json.dumps(index)
    return dict(json.loads(text.replace(json.dumps(f"{old}/")[1:-1], json.dumps(f"{new}/")[1:-1])))


def _variant(fresh: Path, name: str, rows: list[manifest.Row], packages: dict[str, dict[str, str]]) -> Index:
    tar = fresh / f"{name}.tar"
    archive.pack(fresh / name, rows, tar)
    return {
        "tar": str(tar),
        "tar_sha256": manifest.file_sha256(tar),
        "tar_bytes": tar.stat().st_size,
        "tree_bytes": manifest.tree_bytes(rows),
        "packages": packages.get(name, {}),
    }
