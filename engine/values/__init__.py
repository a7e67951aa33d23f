"""Property values: what a resource's inputs and outputs are made of inside the engine.

A value is what JSON has (None, bool, int, float, str, list, dict with string keys) and two things more: `Secret` and
`UNKNOWN`. Assets, archives and resource references stay what they are on the wire, a dict with Pulumi's signature key,
because the engine only carries them. The wire form (protobuf Struct) is in `engine.values.wire`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

# sdk/go/common/resource/sig and plugin/rpc.go of pulumi/pulumi: these strings are the protocol.
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_SENTINEL = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Unknown:
    """A value that only a later step will know. There is one, `UNKNOWN`; it is legal in a preview only."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that is encrypted in the state and masked on the terminal."""

    value: Value

    def __repr__(self) -> str:
        return "[secret]"


Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | Secret | Unknown | None"
Properties: TypeAlias = dict[str, Value]


def rewrite(value: Value, visit: Callable[[Value], Value]) -> Value:
    """A copy of `value`, bottom up: lists and dicts are rebuilt, then `visit` is called on each node."""
    if isinstance(value, Secret):
        return visit(Secret(rewrite(value.value, visit)))
    if isinstance(value, list):
        return visit([rewrite(item, visit) for item in value])
    if isinstance(value, dict):
        return visit({key: rewrite(item, visit) for key, item in value.items()})
    return visit(value)


def without_secrets(value: Value) -> Value:
    """The same value with every `Secret` replaced by what it holds."""
    return rewrite(value, lambda node: node.value if isinstance(node, Secret) else node)


def masked(value: Value) -> Any:
    """A value as it may be shown: "[secret]" and "[unknown]" instead of such values."""

    def hide(node: Value) -> Value:
        if isinstance(node, Secret):
            return "[secret]"
        return "[unknown]" if isinstance(node, Unknown) else node

    return rewrite(value, hide)


def contains_unknown(value: Value) -> bool:
    """Whether an UNKNOWN is anywhere inside."""
    return any(isinstance(node, Unknown) for node in _nodes(value))


def contains_secret(value: Value) -> bool:
    """Whether a Secret is anywhere inside."""
    return any(isinstance(node, Secret) for node in _nodes(value))


def _nodes(value: Value) -> Iterator[Value]:
    yield value
    if isinstance(value, Secret):
        yield from _nodes(value.value)
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _nodes(item)
