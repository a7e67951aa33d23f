"""service.toml: what a service needs and how it is started. Each mistake is one line that names file and key.

name = "service"                # letters, digits and dashes
version = "1"
packages = ["python3-minimal"]  # Debian packages; what they depend on comes along
without = []                    # packages that a dependency asks for and the service can do without
command = ["{root}/usr/bin/python3.11", "{root}/srv/app.py"]
port = 8080                     # inside a container or a guest
health = "/readyz"              # answers 200 when it is ready
echoes_nonce = true             # `/` carries the value of NONCE
writable = ["/data"]            # directories of the tree that belong to the service's user
[files]                         # target = source beside this file; an executable source stays one
"/srv/app.py" = "app.py"
"/etc/app.conf" = "app.conf.in" # a source that ends in .in is a template with the same marks
[environment]

Marks are filled in where the command is started: `{root}` is the tree's prefix (nothing where the tree is `/`), `{port}`
where to listen, `{data}` a directory to write to. A template is for a service that takes its port from a file: the
command names it as {rendered}/etc/app.conf. In the tree it is rendered for where the tree is `/`; each copy that runs in
place on the host renders its own. Out of scope: several services in one tree.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine.errors import InvalidInput
from substrates.inputs.artifact import filled

_TYPES: dict[str, type] = {
    "name": str,
    "version": str,
    "packages": list,
    "without": list,
    "command": list,
    "port": int,
    "health": str,
    "echoes_nonce": bool,
    "writable": list,
    "files": dict,
    "environment": dict,
}
_REQUIRED = ("name", "packages", "command", "port")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_MARK = re.compile(r"\{(\w+)\}")
_MARKS = ("root", "port", "data", "rendered")
TEMPLATE = ".in"
INSIDE_DATA = "/data"


@dataclass(frozen=True)
class Definition:
    """One service as its file describes it; `files` maps a target in the tree to a file on this machine."""

    path: Path
    name: str
    packages: list[str]
    command: list[str]
    port: int
    version: str = "1"
    health: str = "/"
    echoes_nonce: bool = False
    without: list[str] = field(default_factory=list)
    writable: list[str] = field(default_factory=lambda: ["/data"])
    files: dict[str, Path] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def templates(self) -> dict[str, str]:
        """Target and text of the files that are rendered for each copy."""
        return {
            target: path.read_text() for target, path in sorted(self.files.items()) if path.suffix == TEMPLATE
        }

    def inside(self, text: str) -> str:
        """A text as it is where the tree is `/`."""
        return filled(text, root="", port=str(self.port), data=INSIDE_DATA, rendered="")

    def command_inside(self) -> list[str]:
        """The command where the tree is `/`."""
        return [self.inside(word) for word in self.command]


def read(path: Path) -> Definition:
    """The definition in a file; InvalidInput for what is wrong with it."""
    try:
        raw = tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}") from None
    _check_keys(path, raw)
    _check_lists(path, raw)
    _check_values(path, raw)
    return Definition(path=path, files=_files(path, raw.pop("files", {})), **raw)


def _check_keys(path: Path, raw: dict[str, Any]) -> None:
    for key in _REQUIRED:
        if key not in raw:
            raise InvalidInput(f"{path}: {key!r} is missing")
    for key, value in raw.items():
        wanted = _TYPES.get(key)
        if wanted is None:
            raise InvalidInput(f"{path}: unknown key {key!r}; known are {', '.join(_TYPES)}")
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise InvalidInput(f"{path}: {key!r} must be of type {wanted.__name__}, not {value!r}")


def _check_lists(path: Path, raw: dict[str, Any]) -> None:
    for key in ("packages", "without", "command", "writable"):
        if not all(isinstance(item, str) for item in raw.get(key, [])):
            raise InvalidInput(f"{path}: {key!r} must be a list of texts")
    for key in ("packages", "without"):
        for name in raw.get(key, []):
            if not _PACKAGE.fullmatch(name):
                raise InvalidInput(f"{path}: {key!r}: {name!r} is not the name of a Debian package")
    for target in raw.get("writable", []):
        if not _is_inside(target):
            raise InvalidInput(f"{path}: 'writable': {target!r} must be an absolute path without '..'")


def _check_values(path: Path, raw: dict[str, Any]) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", raw["name"]) or raw["name"] == "null":
        raise InvalidInput(
            f"{path}: 'name' must be lower-case letters, digits and dashes, not {raw['name']!r}"
        )
    if not raw["packages"]:
        raise InvalidInput(f"{path}: 'packages' names none")
    if not raw["command"] or not raw["command"][0].startswith("{root}/"):
        raise InvalidInput(f"{path}: 'command' must start with a program of the tree, {{root}}/...")
    for mark in _MARK.findall(" ".join(raw["command"])):
        if mark not in _MARKS:
            raise InvalidInput(f"{path}: 'command': unknown mark {{{mark}}}; known are {', '.join(_MARKS)}")
    if not 0 < raw["port"] < 65536:
        raise InvalidInput(f"{path}: 'port' must be from 1 to 65535, not {raw['port']}")
    if not raw.get("health", "/").startswith("/"):
        raise InvalidInput(f"{path}: 'health' must be a path that begins with '/', not {raw['health']!r}")
    for name, value in raw.get("environment", {}).items():
        if not isinstance(value, str):
            raise InvalidInput(f"{path}: 'environment': {name} must be a text, not {value!r}")


def _files(path: Path, named: dict[str, Any]) -> dict[str, Path]:
    files = {}
    for target, source in named.items():
        if not _is_inside(target) or target.endswith("/"):
            raise InvalidInput(f"{path}: 'files': {target!r} must be an absolute path of a file without '..'")
        if not isinstance(source, str) or not (path.parent / source).is_file():
            raise InvalidInput(f"{path}: 'files': {target} = {source!r}: there is no such file beside it")
        files[target] = path.parent / source
    return files


def _is_inside(target: str) -> bool:
    parts = Path(target).parts
    return len(parts) > 1 and parts[0] == "/" and ".." not in parts
