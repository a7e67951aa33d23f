"""A stack's configuration: resolved for a run, and changed by `config set` and `config rm`.

A run's program gets texts: strings as they are, everything else as JSON, secrets decrypted and named in a
list. The rules are those of `pkg/workspace/config.go`: a key of the schema without value or default is
missing, typed ones are checked, keys the schema does not know are allowed. New here: a warning when such a
key looks like a misspelt one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.errors import WrongUse
from engine.state.property_json import compact
from engine.state.secrets import Cipher
from engine.values.paths import Path, parse
from engine.workspace.project import ConfigKey, Project, matches
from engine.workspace.stack_file import StackFile

_SCOPE = "config"


@dataclass(frozen=True)
class StackConfig:
    """What a run's program gets: `values` is PULUMI_CONFIG, `secret_keys` is PULUMI_CONFIG_SECRET_KEYS."""

    values: dict[str, str] = field(default_factory=dict)
    secret_keys: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)


def resolve(project: Project, file: StackFile, open_cipher: Callable[[str], Cipher]) -> StackConfig:
    """The configuration of a run; `open_cipher` gets the salt, and only when there is a secret."""
    given = {key: decrypted(value, file, open_cipher) for key, value in file.config.items()}
    missing = [key.name for key in project.config.values() if key.required and key.name not in given]
    if missing:
        short = missing[0].removeprefix(f"{project.name}:")
        command = f"python -m engine config set {short} VALUE --stack {_stack(file)}"
        raise WrongUse(f"{file.path}: missing required config: {', '.join(missing)}", command)
    values = {key.name: key.default for key in project.config.values() if not key.required} | given
    for key in project.config.values():
        _check(key, values[key.name], file)
    return StackConfig(
        values={key: as_text(value) for key, value in values.items()},
        secret_keys={key for key, value in file.config.items() if has_secret(value)},
        warnings=_misspelt(project, file),
    )


def full_key(project: str, key: str, *, path: bool = False) -> tuple[str, Path]:
    """`namespace:key` and the parts below it: none unless `path`, where `a.b[0]` is element 0 of b in a."""
    end = re.search(r"[.\[]", key) if path else None
    head, rest = (key[: end.start()], key[end.start() :]) if end and end.start() else (key, "")
    if path and key.startswith("["):  # ["a.b"].c: the first part is quoted
        parts = _parse(key)
        return f"{project}:{parts[0]}", parts[1:]
    name = head if ":" in head else f"{project}:{head}"
    if name.count(":") != 1 or not name.partition(":")[2]:
        raise WrongUse(f"config key {key!r} is not of the form key or namespace:key")
    return name, _parse(rest) if rest else ()


def get(file: StackFile, key: tuple[str, Path], open_cipher: Callable[[str], Cipher]) -> tuple[Any, bool]:
    """A value, decrypted, and whether it holds a secret; KeyError if it is not in the file."""
    value = file.config[key[0]]
    for part in key[1]:
        if not _has(value, part):
            raise KeyError(key[0])
        value = value[part]
    return decrypted(value, file, open_cipher), has_secret(value)


def set_value(file: StackFile, key: tuple[str, Path], text: str, cipher: Cipher | None = None) -> None:
    """Set a value in `file`; with a cipher as a secret. Inside a structure, `1` and `true` are not texts."""
    name, path = key
    value: Any = {"secure": cipher.encrypt(text, _SCOPE)} if cipher else _coerced(text) if path else text
    if cipher is not None:
        file.salt = cipher.salt
    file.config[name] = _with(file.config.get(name), path, value, name, first=True)


def remove(file: StackFile, key: tuple[str, Path]) -> bool:
    """Remove a value from `file`; whether it was there."""
    target: Any = file.config
    parts: Path = (key[0], *key[1])
    for part in parts[:-1]:
        if not _has(target, part):
            return False
        target = target[part]
    if not _has(target, parts[-1]):
        return False
    del target[parts[-1]]
    return True


def decrypted(value: Any, file: StackFile, open_cipher: Callable[[str], Cipher]) -> Any:
    """A value of the file with its secrets opened."""
    if is_secret(value):
        if not file.salt:
            raise WrongUse(f"{file.path}: holds a secret but no encryptionsalt")
        return open_cipher(file.salt).decrypt(value["secure"], _SCOPE)
    if isinstance(value, dict):
        return {str(key): decrypted(item, file, open_cipher) for key, item in value.items()}
    if isinstance(value, list):
        return [decrypted(item, file, open_cipher) for item in value]
    return value


def is_secret(value: Any) -> bool:
    """Whether a value of the file is one encrypted text."""
    return isinstance(value, dict) and set(value) == {"secure"} and isinstance(value["secure"], str)


def has_secret(value: Any) -> bool:
    """Whether a secret is anywhere inside."""
    if isinstance(value, dict):
        return is_secret(value) or any(has_secret(item) for item in value.values())
    return isinstance(value, list) and any(has_secret(item) for item in value)


def as_text(value: Any) -> str:
    """The text a program gets for a value."""
    if isinstance(value, str):
        return value
    return "" if value is None else compact(_go_numbers(value))  # the official engine reads a bare key as ""


def _go_numbers(value: Any) -> Any:
    """Go writes a whole float without a fraction, and sorts the members of an object."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, dict):
        return {key: _go_numbers(value[key]) for key in sorted(value)}
    return [_go_numbers(item) for item in value] if isinstance(value, list) else value


def _check(key: ConfigKey, value: Any, file: StackFile) -> None:
    if key.secret and key.name in file.config and not has_secret(file.config[key.name]):
        command = f"python -m engine config set --secret {key.name} --stack {_stack(file)}"
        raise WrongUse(f"{file.path}: config key {key.name!r} must be a secret", command)
    shown = value if isinstance(value, dict | list) else as_text(value)
    if key.type and not matches(shown, key.type, key.items):
        got = "the secret" if has_secret(file.config.get(key.name)) else repr(value)
        raise WrongUse(f"{file.path}: config key {key.name!r} must be of type {key.type_name}, {got} is not")


def _misspelt(project: Project, file: StackFile) -> list[str]:
    unused = sorted(set(project.config) - set(file.config))
    found = []
    for key in file.config:
        if key in project.config or not key.startswith(f"{project.name}:"):
            continue
        if close := difflib.get_close_matches(key, unused, 1, 0.85):
            found.append(f"{file.path}: nothing in Pulumi.yaml is called {key!r}; did you mean {close[0]!r}?")
    return found


def _stack(file: StackFile) -> str:
    return file.path.stem.removeprefix("Pulumi.")


def _parse(text: str) -> Path:
    try:
        return parse(text)
    except ValueError as error:
        raise WrongUse(str(error)) from error


def _has(value: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(value, list) and part < len(value)
    return isinstance(value, dict) and part in value


def _with(old: Any, path: Path, value: Any, where: str, *, first: bool = False) -> Any:
    """`old` with `value` at `path`; what is missing is made. A plain value gives way at the top only."""
    if not path:
        return value
    part, rest = path[0], path[1:]
    if old is None or (first and not isinstance(old, dict | list)):
        old = [] if isinstance(part, int) else {}
    if isinstance(old, list) and isinstance(part, int):
        if part > len(old):
            raise WrongUse(f"{where}: index {part} is out of range, the list has {len(old)} elements")
        inner = old[part] if part < len(old) else None
        return [*old[:part], _with(inner, rest, value, f"{where}[{part}]"), *old[part + 1 :]]
    if isinstance(old, dict) and isinstance(part, str) and not is_secret(old):
        if not rest and not old and part == "secure" and isinstance(value, str):
            raise WrongUse(f"{where}: a map with the single key 'secure' means a secret")
        return old | {part: _with(old.get(part), rest, value, f"{where}.{part}")}
    raise WrongUse(
        f"{where}: {part!r} is not possible in {'a list' if isinstance(old, list) else 'this value'}"
    )


def _coerced(text: str) -> bool | int | str:
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"0|[-+]?[1-9][0-9]*", text) and -(2**63) <= int(text) < 2**64:
        return int(text)
    return text
