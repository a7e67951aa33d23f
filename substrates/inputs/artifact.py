"""The artifact's index: which bytes every substrate runs, and how they are started. Out of scope: building (`host`).

The digest is that of the root file system with the service in it, so it is the same on every stack; a test compares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from machine import places
from machine.errors import Unavailable


@dataclass(frozen=True)
class Artifact:
    """One service, built. `root` is its extracted tree on this machine."""

    name: str
    version: str
    digest: str
    root: Path
    command: list[str]  # with {root}, {port}, {data}, {rendered}
    loader: str  # the tree's own dynamic loader, relative to the root
    library_path: list[str]
    port: int  # inside a container or a guest
    health: str
    echoes_nonce: bool
    variants: dict[str, dict[str, Any]]
    environment: dict[str, str] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)  # target in the tree -> text with the same marks

    def command_in_place(self) -> list[str]:
        """How the bytes are run on the host where they lie: through their own loader, with their own libraries.

        {port}, {data} and {rendered} stay: each copy has its own."""
        libraries = ":".join(str(self.root / part) for part in self.library_path)
        started = [filled(word, root=str(self.root)) for word in self.command]
        if not self.loader:  # a static program
            return started
        return [str(self.root / self.loader), "--library-path", libraries, *started]

    def command_inside(self, data: str = "/data") -> list[str]:
        """How they are run where their root is `/`."""
        marks = {"root": "", "port": str(self.port), "data": data, "rendered": ""}
        return [filled(word, **marks) for word in self.command]

    def templates_in_place(self) -> dict[str, str]:
        """The texts that each copy on the host renders for itself; where their root is `/` the tree has them rendered."""
        return {target: filled(text, root=str(self.root)) for target, text in self.templates.items()}


_AS_RECORDED = [member.name for member in fields(Artifact) if member.name not in ("digest", "root")]


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
    own = {name: raw[name] for name in _AS_RECORDED if raw.get(name) is not None}
    return Artifact(digest=raw["artifact"], root=Path(raw["root"]), **own)


def filled(text: str, **marks: str) -> str:
    """The text with `{name}` replaced by each mark's value, inside words too; other braces stay as they are."""
    for name, value in marks.items():
        text = text.replace(f"{{{name}}}", value)
    return text
