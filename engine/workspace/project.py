"""Pulumi.yaml: the project's name, its program, and the schema of its configuration
(`sdk/go/common/workspace`).

The schema's long form is `key: {type, default, description, secret, items}`; the short form `key: value` is a
default without a type, or, for a key of another namespace such as `docker:host`, its value. Out of scope: other
languages than Python, templates, plugins, packages.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import WrongUse
from engine.state.backend import check_name
from engine.workspace.yaml_text import read_mapping

FILES = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")
TYPES = ("string", "integer", "boolean", "array", "object")
_KNOWN = {
    *("name", "description", "author", "website", "license", "runtime", "main", "config", "stackConfigDir"),
    *("backend", "options", "template", "packages", "plugins", "requiredPulumiVersion"),
}
_SCHEMA = ("type", "items", "description", "secret", "default", "value")


@dataclass(frozen=True)
class ConfigKey:
    """The project's declaration of one configuration key."""

    name: str  # with its namespace
    type: str = ""  # "" is any
    items: dict[str, Any] | None = None  # {type, items} of an array
    default: Any = None
    secret: bool = False
    required: bool = True

    @property
    def type_name(self) -> str:
        """The type in words, `array<array<string>>` for instance."""
        return _type_name(self.type, self.items)


@dataclass(frozen=True)
class Project:
    """A project as Pulumi.yaml describes it."""

    name: str
    path: Path  # of Pulumi.yaml
    main: str = ""
    stack_config_dir: str = ""
    config_file: str = ""  # `--config-file`: the stack's configuration is there
    description: str = ""
    backend_url: str = ""
    runtime_options: dict[str, Any] = field(default_factory=dict)
    config: dict[str, ConfigKey] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The directory Pulumi.yaml is in."""
        return self.path.parent

    @property
    def program(self) -> Path:
        """The directory or file that is run."""
        return (self.root / self.main).resolve() if self.main else self.root

    @property
    def virtualenv(self) -> Path | None:
        """The virtual environment of the program; None to use the engine's own."""
        given = self.runtime_options.get("virtualenv")
        return self.root / str(given) if given else None

    def stack_file(self, stack: str) -> Path:
        """Where a stack's configuration is."""
        if self.config_file:
            return Path(self.config_file).absolute()
        return self.root / self.stack_config_dir / f"Pulumi.{check_name(stack)}{self.path.suffix}"


def find(directory: Path) -> Path:
    """The nearest Pulumi.yaml at or above `directory`."""
    for place in (directory.absolute(), *directory.absolute().parents):
        for name in FILES:
            if (place / name).is_file():
                return place / name
    raise WrongUse(f"no Pulumi.yaml in {directory.absolute()} or above", "cd to the project's directory")


def load(path: Path) -> Project:
    """The project at `path`; WrongUse names what is wrong with it."""
    raw = read_mapping(path)
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        raise WrongUse(f"{path}: the project has no name{_meant('name', raw)}")
    for key in set(raw) - _KNOWN:
        if hint := _meant(str(key), _KNOWN):
            raise WrongUse(f"{path}: unknown attribute {key!r}{hint}")
    config, directory = raw.get("config"), raw.get("stackConfigDir")
    if isinstance(config, str):  # what stackConfigDir was called long ago
        if directory:
            raise WrongUse(
                f"{path}: 'config' and 'stackConfigDir' both name a directory; keep stackConfigDir"
            )
        config, directory = None, config
    return Project(
        name=check_name(name, f"{path}: project"),
        path=path.absolute(),
        main=_text(path, raw, "main"),
        stack_config_dir=str(directory or ""),
        description=_text(path, raw, "description"),
        backend_url=str((raw.get("backend") or {}).get("url") or ""),
        runtime_options=_runtime(path, raw.get("runtime")),
        config=_schema(path, name, config),
    )


def _text(path: Path, raw: dict[str, Any], key: str) -> str:
    value = raw.get(key)
    if value is not None and not isinstance(value, str):
        raise WrongUse(f"{path}: {key!r} is not a string")
    return value or ""


def _runtime(path: Path, raw: Any) -> dict[str, Any]:
    name = raw.get("name") if isinstance(raw, dict) else raw
    if name != "python":
        raise WrongUse(f"{path}: runtime {name!r}: the embedded engine runs Python programs only")
    return dict(raw.get("options") or {}) if isinstance(raw, dict) else {}


def _schema(path: Path, project: str, raw: Any) -> dict[str, ConfigKey]:
    if raw is not None and not isinstance(raw, dict):
        raise WrongUse(f"{path}: 'config' is neither a mapping nor a directory")
    keys = [_key(path, project, str(name), value) for name, value in (raw or {}).items()]
    return {key.name: key for key in keys}


def _key(path: Path, project: str, name: str, raw: Any) -> ConfigKey:
    where = f"{path}: config key {name!r}"
    full = name if ":" in name else f"{project}:{name}"
    own = full.startswith(f"{project}:")
    if not isinstance(raw, dict):
        if raw is None or isinstance(raw, float):
            raise WrongUse(f"{where}: neither a value nor a description of one")
        return ConfigKey(full, default=raw, required=False)
    for attribute in raw:
        if attribute not in _SCHEMA:
            raise WrongUse(f"{where}: unknown attribute {attribute!r}; allowed are {', '.join(_SCHEMA)}")
    default, value = raw.get("default"), raw.get("value")
    if default is not None and value is not None:
        raise WrongUse(f"{where}: 'default' and 'value' cannot both be there")
    if not own and (default is not None or "type" in raw or value is None):
        raise WrongUse(
            f"{where}: belongs to another namespace, so it has a 'value' and neither type nor default"
        )
    given = value if default is None else default
    key = ConfigKey(
        full,
        type=raw.get("type") or "",
        items=raw.get("items"),
        default=given,
        secret=bool(raw.get("secret")),
        required=given is None,
    )
    _check_type(where, key.type, key.items)
    if given is not None and key.type and not matches(given, key.type, key.items):
        raise WrongUse(f"{where}: the default {given!r} is not of type {key.type_name}")
    return key


def _check_type(where: str, type_: Any, items: Any) -> None:
    if type_ and type_ not in TYPES:
        raise WrongUse(f"{where}: unknown type {type_!r}; known are {', '.join(TYPES)}")
    if type_ != "array":
        return
    if not isinstance(items, dict) or not items.get("type"):
        raise WrongUse(f"{where}: an array needs 'items' with the type of its elements")
    _check_type(where, items["type"], items.get("items"))


def _type_name(type_: str, items: dict[str, Any] | None) -> str:
    return f"array<{_type_name(items['type'], items.get('items'))}>" if items else type_


def matches(value: Any, type_: str, items: dict[str, Any] | None) -> bool:
    """Whether a value is of a type; texts count as what they spell, since stack files hold texts."""
    if type_ == "string":
        return isinstance(value, str)
    if type_ == "boolean":
        return isinstance(value, bool) or value in ("true", "false")
    if type_ == "integer":
        return _is_integer(value)
    if type_ == "object":
        return isinstance(value, dict)
    items = items or {}
    return isinstance(value, list) and all(
        matches(it, items.get("type", ""), items.get("items")) for it in value
    )


def _is_integer(value: Any) -> bool:
    if isinstance(value, str):
        digits = value[1:] if value[:1] in ("-", "+") else value
        return digits.isascii() and digits.isdigit()
    return not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    )


def _meant(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, sorted(map(str, known)), 1, 0.7)
    return f"; did you mean {close[0]!r}?" if close else ""
