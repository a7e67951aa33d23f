"""What domains, networks and pools have in common: look up, read, list, and refuse another owner's.

Out of scope: volumes, which libvirt knows by their pool only, and what each kind does with its objects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from clients.libvirt import connection
from clients.libvirt.connection import asked, present
from machine.errors import InvalidInput

S = TypeVar("S")


@dataclass(frozen=True)
class Found(Generic[S]):
    """An object as it is."""

    spec: S
    running: bool


F = TypeVar("F", bound=Found[Any])


@dataclass(frozen=True)
class Kind(Generic[F]):
    """One kind of object. `look_up` and `list_all` are methods of virConnect; `seen` reads a handle."""

    word: str
    look_up: str
    list_all: str
    found: Callable[[Any, bool], F]  # of a spec, and whether it runs
    parse: Callable[[str], Any]  # of libvirt's XML
    runs: Callable[[Any], bool] = lambda handle: bool(handle.isActive())

    def handle(self, name: str) -> Any:
        """libvirt's handle; None when there is none of this name."""
        return connection.found(getattr(connection.open(), self.look_up), name)

    def find(self, name: str) -> F | None:
        """The object of this name, whatever its owner; None when there is none."""
        handle = self.handle(name)
        return None if handle is None else self.seen(handle)

    def seen(self, handle: Any) -> F | None:
        """The object as it is; None when it was removed meanwhile."""

        def look(_: str) -> F:
            spec = replace(self.parse(handle.XMLDesc(0)), autostart=bool(handle.autostart()))
            return self.found(spec, self.runs(handle))

        return connection.found(look, handle.name())

    def read(self, handle: Any) -> F:
        """The object of a handle; VmlabError when it does not exist any more."""
        return present(self.seen(handle), f"{self.word} {handle.name()}")

    def every(self) -> list[F]:
        """All objects of this kind, whatever their owner."""
        with asked(f"cannot list the {self.word}s"):
            handles = getattr(connection.open(), self.list_all)()
        return [found for found in map(self.seen, handles) if found is not None]

    def labelled(self, beginnings: tuple[str, ...]) -> list[tuple[str, str]]:
        """Names and stacks of those whose label begins with one of these."""
        specs = [found.spec for found in self.every()]
        return sorted((spec.name, spec.stack) for spec in specs if spec.stack.startswith(beginnings))

    def refuse_foreign(self, name: str, stack: str) -> None:
        """InvalidInput when one of this name does not belong to this stack."""
        there = self.find(name)
        if there is not None and there.spec.stack != stack:
            owner = f"the stack {there.spec.stack}" if there.spec.stack else "another user"
            raise InvalidInput(
                f"the {self.word} {name} already exists and belongs to {owner}; it is left unchanged"
            )
