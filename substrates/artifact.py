"""The artifact's index: which bytes every substrate runs, and how they are started. Only reads; `host` builds.

The digest is that of the root file system with the service in it, so it is the same on every stack; a test compares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from substrates import places
from substrates.errors import Unavailable


@dataclass(frozen=True)
class Artifact:
    """One service, built. `root` is its extracted tree on this machine."""

    name: str
    version: str
    digest: str
    root: Path
    command: list[str]  # with {root}, {port}, {data}
    loader: str  # the tree's own dynamic loader, relative to the root
    library_path: list[str]
    port: int  # inside a container or a guest
    health: str
    echoes_nonce: bool
    environment: dict[str, str]
    variants: dict[str, dict[str, Any]]

    def command_in_place(self) -> list[str]:
        """How the bytes are run on the host where they lie: through their own loader, with their own libraries.

        {port} and {data} stay: each copy has its own."""
        libraries = ":".join(str(self.root / part) for part in self.library_path)
        started = [word.replace("{root}", str(self.root)) for word in self.command]
        return [str(self.root / self.loader), "--library-path", libraries, *started]

    def command_inside(self, data: str = "/data") -> list[str]:
        """How they are run where their root is `/`."""
        return _filled(self.command, "", self.port, data)


def load(name: str = "service") -> Artifact:
    """The artifact of this name; Unavailable when it was not built on this machine."""
    path = places.cache() / "artifact" / f"{name}.json"
    try:
        return _read(path)
    except OSError:
        raise Unavailable(
            f"the artifact {name!r} was not built here ({path})", "vmlab host up artifact"
        ) from None


def everything() -> list[Artifact]:
    """Every artifact that was built here."""
    return [_read(path) for path in sorted((places.cache() / "artifact").glob("*.json"))]


def _read(path: Path) -> Artifact:
    raw = json.loads(path.read_text())
    return Artifact(
        name=raw["name"],
        version=raw["version"],
        digest=raw["artifact"],
        root=Path(raw["root"]),
        command=raw["command"],
        loader=raw["loader"],
        library_path=raw["library_path"],
        port=raw["port"],
        health=raw["health"],
        echoes_nonce=raw["echoes_nonce"],
        environment=raw.get("environment") or {},
        variants=raw["variants"],
    )


def _filled(command: list[str], root: str, port: int, data: str) -> list[str]:
    values = {"{root}": root, "{port}": str(port), "{data}": data}
    filled = []
    for word in command:
        for mark, value in values.items():
            word = word.replace(mark, value)
        filled.append(word)
    return filled
