"""The parts of a host, in the order in which they come up. They go down in the reverse order.

The modules have the same headings in the same order: NAME, PACKAGES, needs, downloads, status, up, down. Out of scope: what
runs on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from host.packages import Package
from host.parts import artifact, docker, guest, kubernetes, libvirt, registry
from host.reporting import Say, Status
from machine.errors import InvalidInput


class Part(Protocol):
    """What a module of this package offers."""

    NAME: str
    PACKAGES: tuple[Package, ...]

    def needs(self) -> None:
        """Unavailable(reason, fix) if this machine cannot offer the part; changes and downloads nothing."""

    def downloads(self) -> list[str]:
        """What `up` would download besides PACKAGES, one line each; the user is asked for it together with them."""

    def status(self) -> Status:
        """The part as it is now; changes nothing."""

    def up(self, say: Say) -> None:
        """Start it; its packages are installed. Returns when it answers."""

    def down(self, say: Say, *, force: bool = False) -> None:
        """Stop what `up` started, and undo what it changed."""


KNOWN: dict[str, Part] = {
    part.NAME: part for part in (docker, registry, artifact, libvirt, guest, kubernetes)
}


def choose(names: Sequence[str]) -> list[Part]:
    """The named parts, or all, in their order; InvalidInput for an unknown name."""
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        raise InvalidInput(f"unknown part: {', '.join(unknown)}; known parts: {', '.join(KNOWN)}")
    return [part for name, part in KNOWN.items() if not names or name in names]
