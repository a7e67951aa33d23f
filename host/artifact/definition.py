"""service.toml: what a service needs and how it is started. Each mistake is one line that names file and key.

name = "service"                # letters, digits and dashes
version = "1"
packages = ["python3-minimal"]  # Debian packages
command = ["{root}/usr/bin/python3.11", "{root}/srv/app.py"]   # {root}, {port} and {data} are filled in
port = 8080                     # inside a container or a guest
health = "/readyz"              # answers 200 when it is ready
echoes_nonce = true             # `/` carries the value of NONCE
[files]                         # target = source beside this file
"/srv/app.py" = "app.py"
[environment]
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.errors import WrongUse

_TYPES: dict[str, type] = {
    "name": str,
    "version": str,
    "packages": list,
    "command": list,
    "port": int,
    "health": str,
    "echoes_nonce": bool,
    "files": dict,
    "environment": dict,
}
_REQUIRED = ("name", "packages", "command", "port")


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
    files: dict[str, Path] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


def read(path: Path) -> Definition:
    """The definition in a file; WrongUse for what is wrong with it."""
    try:
        raw = tomllib.loads(path.read_text())
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise WrongUse(f"{path}: {error}") from None
    _check(path, raw)
    files = {target: path.parent / source for target, source in raw.pop("files", {}).items()}
    for target, source in files.items():
        if not target.startswith("/") or not source.is_file():
            raise WrongUse(
                f"{path}: files: {target!r} = {str(source)!r} is not an absolute target and a file"
            )
    return Definition(path=path, files=files, **raw)


def _check(path: Path, raw: dict[str, Any]) -> None:
    for key in _REQUIRED:
        if key not in raw:
            raise WrongUse(f"{path}: {key!r} is missing")
    for key, value in raw.items():
        wanted = _TYPES.get(key)
        if wanted is None:
            raise WrongUse(f"{path}: unknown key {key!r}; known are {', '.join(_TYPES)}")
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise WrongUse(f"{path}: {key!r} must be of type {wanted.__name__}, not {value!r}")
    _check_values(path, raw)


def _check_values(path: Path, raw: dict[str, Any]) -> None:
    for key in ("packages", "command"):
        if not all(isinstance(item, str) for item in raw[key]):
            raise WrongUse(f"{path}: {key!r} must be a list of texts")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", raw["name"]):
        raise WrongUse(f"{path}: 'name' must be lower-case letters, digits and dashes, not {raw['name']!r}")
    if not raw["command"] or not raw["command"][0].startswith("{root}/"):
        raise WrongUse(f"{path}: 'command' must start with a program of the tree, {{root}}/...")
    if not 0 < raw["port"] < 65536:
        raise WrongUse(f"{path}: 'port' must be from 1 to 65535, not {raw['port']}")
