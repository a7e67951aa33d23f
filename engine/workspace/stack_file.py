"""Pulumi.<stack>.yaml: the values of one stack's configuration and the salt of its secrets.

Reading is PyYAML's. Writing goes through ruamel.yaml, which keeps comments, order and quotes, because people
edit and commit this file; it is slow to import and loaded only then. Out of scope: ESC environments, cloud
secrets providers.
"""

from __future__ import annotations

import io
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import WrongUse
from engine.state import durable_files
from engine.workspace.yaml_text import read_mapping


@dataclass
class StackFile:
    """One stack's file. `config` is keyed `namespace:key`; a secret is `{"secure": ciphertext}`."""

    path: Path
    salt: str = ""
    config: dict[str, Any] = field(default_factory=dict)


def read(path: Path) -> StackFile:
    """The file at `path`; a missing one is an empty one."""
    if not path.exists():
        return StackFile(path)
    raw = read_mapping(path)
    provider = raw.get("secretsprovider") or "passphrase"
    if provider != "passphrase" or raw.get("encryptedkey"):
        raise WrongUse(f"{path}: secrets provider {provider!r}; the embedded engine only has 'passphrase'")
    if raw.get("environment"):
        raise WrongUse(f"{path}: 'environment' needs Pulumi Cloud; the embedded engine does not use it")
    config = raw.get("config") or {}
    if not isinstance(config, dict):
        raise WrongUse(f"{path}: 'config' is not a mapping")
    return StackFile(
        path, str(raw.get("encryptionsalt") or ""), {_key(path, key): it for key, it in config.items()}
    )


def save(file: StackFile) -> None:
    """Write salt and configuration; everything else in the file stays as it is."""
    from ruamel.yaml import YAML  # 60 ms that a run does not need

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1_000_000  # never folds a ciphertext
    yaml.indent(mapping=2, sequence=4, offset=2)  # as the official CLI writes lists
    text = file.path.read_text(encoding="utf-8") if file.path.exists() else ""
    document = yaml.load(text) if text.strip() else None
    document = {} if document is None else document
    if file.salt:
        document["encryptionsalt"] = file.salt
    else:
        document.pop("encryptionsalt", None)
    if file.config:
        config = document.setdefault("config", {})
        _merge(config, {_spelled(config, key): value for key, value in file.config.items()})
    else:
        document.pop("config", None)
    out = io.StringIO()
    yaml.dump(document, out)
    # Not private like a state: it is committed, and every secret in it is encrypted.
    mode = stat.S_IMODE(file.path.stat().st_mode) if file.path.exists() else 0o644
    durable_files.write(file.path, b"" if not document else out.getvalue().encode(), mode=mode)


def _key(path: Path, key: Any) -> str:
    """`namespace:key`; the old spelling `namespace:config:key` is read too."""
    parts = str(key).split(":")
    if len(parts) == 3 and parts[1] == "config":
        return f"{parts[0]}:{parts[2]}"
    if len(parts) != 2:
        raise WrongUse(f"{path}: config key {key!r} is not of the form namespace:key")
    return str(key)


def _spelled(config: Any, key: str) -> str:
    """The key as the file spells it already."""
    old = key.replace(":", ":config:", 1)
    return old if old in config else key


def _merge(target: Any, wanted: dict[str, Any]) -> None:
    """Make `target` equal to `wanted`, leaving alone what is equal: comments hang on it."""
    for key in [key for key in target if str(key) not in wanted]:
        del target[key]
    for key, value in wanted.items():
        if key in target and target[key] == value:
            continue
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value
