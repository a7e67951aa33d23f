"""The inputs of a resource: which exist, their types, the failures of wrong ones, and what differs from the state.

Numbers arrive as floats; a value that a preview does not know yet is not checked. Every failure names its input, and all
are reported at once, before anything is created. Out of scope: Pulumi's secrets, which the SDK unwraps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.dynamic import CheckFailure, CheckResult, DiffResult, ReadResult
from pulumi.output import Unknown

from machine.errors import VmlabError

ABSENT = ReadResult("", {})  # of an object that does not exist, or is another owner's
PROVIDER = "__provider"  # added by the SDK: the provider, serialised
Kind = Callable[[Any], Any]  # the converted value; the text of ValueError is what is expected
Props = dict[str, Any]


class Wrong(VmlabError):
    """An input that cannot work; `key` is its name."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


@dataclass(frozen=True)
class Input:
    """One input; without `default` it must be given."""

    kind: Kind
    default: Any = ...


def whole(value: Any) -> int:
    """A number without a fraction, not below 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 0:
        raise ValueError("a whole number, not below 0")
    return int(value)


def number(value: Any) -> float:
    """A number, not below 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        raise ValueError("a number, not below 0")
    return float(value)


def text(value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError("a string")
    return value


def truth(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def texts(value: Any) -> dict[str, str]:
    """Strings by name."""
    if not isinstance(value, dict) or not all(isinstance(one, str | Unknown) for one in value.values()):
        raise ValueError("strings by name")
    return value


def one_of(*words: str) -> Kind:
    """One of these words."""

    def kind(value: Any) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return str(value)

    return kind


def rows(inputs: Mapping[str, Input]) -> Kind:
    """A list of objects with these members, each with its defaults filled in."""

    def kind(value: Any) -> list[Props]:
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise ValueError("a list of objects")
        return [_row(inputs, row) for row in value]

    return kind


def row(inputs: Mapping[str, Input]) -> Kind:
    """An object with these members, or none."""

    def kind(value: Any) -> Props | None:
        if not isinstance(value, dict):
            raise ValueError("an object")
        return _row(inputs, value)

    return kind


def _row(inputs: Mapping[str, Input], given: Props) -> Props:
    filled, failures = fill(inputs, given)
    if failures:
        raise ValueError("; ".join(f"{f.property}: {f.reason}" for f in failures))
    return filled


def fill(
    inputs: Mapping[str, Input], given: Props, ours: tuple[str, ...] = ()
) -> tuple[Props, list[CheckFailure]]:
    """The inputs with every default filled in, and their failures; `ours` are outputs, which must not be given."""
    failures = [
        CheckFailure(key, f"there is no input {key!r} here; there are {', '.join(inputs)}")
        for key, value in given.items()
        if key not in inputs and key != PROVIDER and not (key in ours and value is None)
    ]
    filled: Props = {}
    for key, input_ in inputs.items():
        value = given.get(key)
        if value is None:
            if input_.default is ...:
                failures.append(CheckFailure(key, "it must be given"))
            filled[key] = None if input_.default is ... else input_.default
            continue
        try:
            filled[key] = value if unknown(value) else input_.kind(value)
        except ValueError as error:
            failures.append(CheckFailure(key, f"it must be {error}"))
            filled[key] = value
    return filled, failures


def unknown(value: Any) -> bool:
    """Whether a preview does not know it yet."""
    return isinstance(value, Unknown)


def known(value: Any) -> bool:
    """Whether no part of it is unknown."""
    if isinstance(value, dict):
        return all(map(known, value.values()))
    if isinstance(value, list | tuple):
        return all(map(known, value))
    return not unknown(value)


def result(
    inputs: Mapping[str, Input],
    outputs: tuple[str, ...],
    news: Props,
    look: Callable[[Props], object],
) -> CheckResult:
    """The result of Check: the inputs as given, and their failures.

    `look` is called with converted inputs; what it raises is reported for `name`, or for the input that Wrong names."""
    filled, failures = fill(inputs, news, outputs)
    if not failures:
        try:
            look(filled)
        except Wrong as error:
            failures = [CheckFailure(error.key, str(error))]
        except VmlabError as error:
            failures = [CheckFailure("name", str(error))]
    return CheckResult(news, failures)


def changed(inputs: Mapping[str, Input], olds: Props, news: Props) -> list[str]:
    """The inputs that differ from the state."""
    filled, _ = fill(inputs, news)
    return [key for key in inputs if olds.get(key) != filled[key]]


def difference(differs: list[str], in_place: Collection[str], *, changes: bool = False) -> DiffResult:
    """The result of Diff: what is not changed in place replaces the object, the old one removed first."""
    replaces = [key for key in differs if key not in in_place]
    return DiffResult(changes=changes or bool(differs), replaces=replaces, delete_before_replace=True)
