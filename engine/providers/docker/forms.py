"""How an input's value must look, and how a change of it reaches Docker.

Each kind of resource has a table of `Input`s; this is its vocabulary. A form yields the faults of a value,
by path, so that Check names every one at once. UNKNOWN passes: a preview cannot judge it. A list is
compared without its order unless order has a meaning to Docker, because a program that builds it from a set
must not replace a container.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, NamedTuple

from engine.values import Unknown

NOT_IMPLEMENTED = "{} is not implemented by the embedded engine's docker provider; implemented are: {}"


class Applied(Enum):
    """How a change of an input reaches Docker."""

    UPDATE = "Docker changes it on the living object"
    REPLACE = "only a new object has it"
    STORED = "the provider's own knob: the new value is remembered and used from then on"


class Fault(NamedTuple):
    """What is wrong with a value, and where."""

    path: str
    reason: str


class Form:
    """How a value must look. By default a value is compared as it is."""

    TYPE: ClassVar[type]
    NOUN: ClassVar[str]  # the type in words

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with `value`; nothing when it is fine."""
        if isinstance(value, self.TYPE) and isinstance(value, bool) == (self.TYPE is bool):
            yield from self._inner_faults(value, path)
        else:
            yield Fault(path, f"must be {self.NOUN}, not {_shown(value)}")

    def _inner_faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with a value of the right type."""
        yield from ()

    def canonical(self, value: Any) -> Any:
        """The value in the form in which two are compared."""
        return value


@dataclass(frozen=True)
class Input:
    """One implemented input of a kind."""

    form: Form
    applied: Applied
    required: bool = False
    default: Any = None  # what Docker or we do when it is not given; setting it explicitly is not a change


@dataclass(frozen=True)
class Flag(Form):
    """True or false."""

    TYPE, NOUN = bool, "true or false"


@dataclass(frozen=True)
class Number(Form):
    """A whole number within bounds."""

    TYPE, NOUN = int, "a whole number"
    low: int | None = None
    high: int | None = None

    def _inner_faults(self, value: Any, path: str) -> Iterator[Fault]:
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            upper = "" if self.high is None else f" to {self.high}"
            yield Fault(path, f"must be in {self.low}{upper or ' and above'}, not {value}")


@dataclass(frozen=True)
class Text(Form):
    """A string, of a pattern or of a set of words."""

    TYPE, NOUN = str, "a string"
    pattern: str = ""
    words: tuple[str, ...] = ()
    says: str = ""  # the pattern in words

    def _inner_faults(self, value: Any, path: str) -> Iterator[Fault]:
        if self.words and value not in self.words:
            yield Fault(path, f"must be one of {', '.join(self.words)}, not {value!r}")
        elif self.pattern and not re.fullmatch(self.pattern, value):
            yield Fault(path, f"must be {self.says or self.pattern}, not {value!r}")


@dataclass(frozen=True)
class Many(Form):
    """A list."""

    TYPE, NOUN = list, "a list"
    of: Form
    ordered: bool = False

    def _inner_faults(self, value: Any, path: str) -> Iterator[Fault]:
        for index, item in enumerate(value):
            if not isinstance(item, Unknown):
                yield from self.of.faults(item, f"{path}[{index}]")

    def canonical(self, value: Any) -> Any:
        """Sorted, unless order matters."""
        items = [self.of.canonical(item) for item in value] if isinstance(value, list) else value
        if self.ordered or not isinstance(items, list):
            return items
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=repr))


@dataclass(frozen=True)
class Mapped(Form):
    """A map from strings to strings."""

    TYPE, NOUN = dict, "a map"
    of: Form = field(default_factory=Text)

    def _inner_faults(self, value: Any, path: str) -> Iterator[Fault]:
        for key, item in value.items():
            if not isinstance(item, Unknown):
                yield from self.of.faults(item, f"{path}[{json.dumps(key)}]")

    def canonical(self, value: Any) -> Any:
        """Without the bridge's own keys."""
        return (
            {k: v for k, v in value.items() if not k.startswith("__")} if isinstance(value, dict) else value
        )


@dataclass(frozen=True)
class Record(Form):
    """A map with known keys."""

    TYPE, NOUN = dict, "a map"
    keys: Mapping[str, Form]
    required: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()  # keys that Check adds itself

    def _inner_faults(self, value: Any, path: str) -> Iterator[Fault]:
        known = {key: item for key, item in value.items() if key not in self.unchecked}
        yield from _member_faults(self.keys, self.required, known, f"{path}.")

    def canonical(self, value: Any) -> Any:
        """Without what is not given."""
        if not isinstance(value, dict):
            return value
        kept = {k: v for k, v in value.items() if v is not None and not k.startswith("__")}
        return {k: self.keys[k].canonical(v) if k in self.keys else v for k, v in kept.items()}


LABELS = Many(Record({"label": Text(), "value": Text()}, required=("label", "value")))


def faults_of(table: Mapping[str, Input], inputs: Mapping[str, Any]) -> list[Fault]:
    """Everything that is wrong with a resource's inputs."""
    required = [key for key, row in table.items() if row.required]
    return list(_member_faults({key: row.form for key, row in table.items()}, required, inputs, ""))


def _member_faults(
    forms: Mapping[str, Form], required: Iterable[str], values: Mapping[str, Any], prefix: str
) -> Iterator[Fault]:
    for key in required:
        if values.get(key) is None:
            yield Fault(f"{prefix}{key}", "is required")
    for key, item in values.items():
        path = f"{prefix}{key}"
        if key.startswith("__") or item is None or isinstance(item, Unknown):
            continue
        if key in forms:
            yield from forms[key].faults(item, path)
        else:
            yield Fault(path, NOT_IMPLEMENTED.format(path, ", ".join(sorted(forms))))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
