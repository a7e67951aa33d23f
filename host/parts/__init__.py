"""The parts of a host, in the order in which they come up. They go down in the reverse order.

The modules look alike: NAME, PACKAGES, needs, status, up, down. Left out: what runs on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from host.packages import Package
from host.parts import artifact, docker, guest, kubernetes, libvirt, registry
from host.parts.status import Status
from machine.errors import InvalidInput


class Part(Protocol):
    """What a module of this package offers."""

    NAME: str
    PACKAGES: tuple[Package, ...]

    def needs(self) -> None:
        """Unavailable(reason, fix) if this machine cannot offer the part."""

    def status(self) -> Status:
        """The part as it is now; changes nothing."""

    def up(self, say: Callable[[str], None]) -> None:
        """Start it; its packages are installed. Done when it answers."""

    def down(self, say: Callable[[str], None], *, force: bool = False) -> None:
        """Stop what `up` started, and take back what came with it."""


KNOWN: dict[str, Part] = {
    part.NAME: part for part in (docker, registry, artifact, libvirt, guest, kubernetes)
}


def choose(names: Sequence[str]) -> list[Part]:
    """The named parts, or all, in their order; InvalidInput for a name that is none."""
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        raise InvalidInput(f"no such part: {', '.join(unknown)}; there are: {', '.join(KNOWN)}")
    return [part for name, part in KNOWN.items() if not names or name in names]
