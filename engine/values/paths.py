"""Property paths: `spec.containers[0].image`, `labels["a.b"]`, `items[*].name`.

Used by the options ignoreChanges and replaceOnChanges. The grammar is Pulumi's (sdk/go/common/resource/property_path.go).
"""

from __future__ import annotations

import re
from typing import TypeAlias

from engine.values import Properties, Secret, Value

Path: TypeAlias = tuple[str | int, ...]
WILDCARD = "*"

_PART = re.compile(r'\.?([^.\[\]"]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\[(\*)\]')


def parse(text: str) -> Path:
    """The parts of a path; ValueError when it cannot be read."""
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            raise ValueError(f"not a property path: {text!r}")
        name, index, quoted, star = match.groups()
        if index is not None:
            parts.append(int(index))
        elif quoted is not None:
            parts.append(re.sub(r"\\(.)", r"\1", quoted))
        else:
            parts.append(name or star)
        position = match.end()
    if not parts:
        raise ValueError("a property path is empty")
    return tuple(parts)


def covers(pattern: Path, path: Path) -> bool:
    """Whether `path` is what `pattern` names, or lies inside it."""
    if len(pattern) > len(path):
        return False
    return all(want in (WILDCARD, have) for want, have in zip(pattern, path, strict=False))


def reset(news: Properties, olds: Properties, path: Path) -> tuple[Properties, bool]:
    """A copy of `news` in which `path` has the value it has in `olds`, and whether that was possible.

    It is not when the path crosses an element that only one of the two has (docs/engine-rules.md B2).
    """
    changed, possible = _reset(news, olds, path)
    return (changed if isinstance(changed, dict) else news), possible


_ABSENT = object()


def _reset(new: object, old: object, path: Path) -> tuple[object, bool]:
    if not path:
        return old, True
    if isinstance(new, Secret) and isinstance(old, Secret):
        inner, possible = _reset(new.value, old.value, path)
        return (Secret(inner) if possible else new), possible  # type: ignore[arg-type]
    if isinstance(new, dict) and isinstance(old, dict):
        return _reset_members(new, old, path)
    if isinstance(new, list) and isinstance(old, list):
        return _reset_items(new, old, path)
    return new, False


def _reset_members(new: dict[str, Value], old: dict[str, Value], path: Path) -> tuple[object, bool]:
    names = {*new, *old} if path[0] == WILDCARD else {str(path[0])}
    copy: dict[str, object] = dict(new)
    for name in names:
        value, possible = _reset(copy.get(name, _ABSENT), old.get(name, _ABSENT), path[1:])
        if not possible:
            return new, False
        if value is _ABSENT:
            copy.pop(name, None)
        else:
            copy[name] = value
    return copy, True


def _reset_items(new: list[Value], old: list[Value], path: Path) -> tuple[object, bool]:
    indexes = range(len(new)) if path[0] == WILDCARD else [path[0]]
    copy: list[object] = list(new)
    for index in indexes:
        if not isinstance(index, int) or index >= len(new) or index >= len(old):
            return new, False
        copy[index], possible = _reset(copy[index], old[index], path[1:])
        if not possible:
            return new, False
    return copy, True


def changed_paths(old: Value, new: Value, prefix: Path = ()) -> list[Path]:
    """The innermost places where two values differ."""
    pairs: list[tuple[str | int, Value, Value]]
    if isinstance(old, dict) and isinstance(new, dict):
        missing: Value = Secret("absent")  # equals nothing a program can send bare
        pairs = [(name, old.get(name, missing), new.get(name, missing)) for name in sorted({*old, *new})]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = list(zip(range(len(old)), old, new, strict=True))
    else:
        return [] if old == new else [prefix]
    return [path for part, left, right in pairs for path in changed_paths(left, right, (*prefix, part))]
