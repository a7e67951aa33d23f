"""What a kind of resource is to the servicer, and what passes between them.

A kind is a module with these names. It sees plain values (no Secret) and never gRPC, so that the files of
the kinds can be read side by side and tried without a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from engine.providers.docker.docker_daemon import DockerDaemon
from engine.providers.docker.forms import Applied, Fault, Input

Plain = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request of the engine about one resource, in plain values."""

    daemon: DockerDaemon
    urn: str
    id: str = ""
    inputs: Plain = field(default_factory=dict)  # the new ones; in Read and Delete those of the state
    old_inputs: Plain = field(default_factory=dict)
    outputs: Plain = field(default_factory=dict)  # those of the state
    seconds: float = 0.0  # customTimeouts; 0 when the user set none
    directory: Path = field(default_factory=Path.cwd)  # where relative paths start

    def deadline(self, default: float) -> float:
        """How long this call may wait, in seconds."""
        return self.seconds or default

    @property
    def recovers(self) -> bool:
        """Whether this Read asks what a lost create made: the state has no outputs yet."""
        return bool(self.inputs) and not self.outputs


@dataclass(frozen=True)
class Made:
    """What exists. With `reasons` it exists and is not ready."""

    id: str
    outputs: Plain
    reasons: list[str] = field(default_factory=list)
    inputs: Plain | None = None  # Read only: the inputs as found


class Kind(Protocol):
    """A kind of resource."""

    @property
    def TYPE(self) -> str:
        """Its token."""
        ...

    @property
    def INPUTS(self) -> Mapping[str, Input]:
        """Its implemented inputs."""
        ...

    @property
    def COMPUTED(self) -> tuple[str, ...]:
        """Its outputs that are no inputs."""
        ...

    def check(self, inputs: Plain, directory: Path) -> tuple[Plain, list[Fault]]:
        """Inputs to add, and the faults that no single input's form shows."""
        ...

    def how(self, key: str, olds: Plain, news: Plain) -> Applied:
        """How this change of `key` reaches Docker."""
        ...

    def drift(self, outputs: Plain, news: Plain) -> list[str]:
        """Inputs that what Read found contradicts."""
        ...

    def deletes_first(self, olds: Plain, news: Plain) -> bool:
        """Whether a replacement must wait for the old object's end."""
        ...

    def preview(self, call: Call) -> Plain:
        """The outputs as far as a preview knows them, the changed ones UNKNOWN."""
        ...

    def create(self, call: Call) -> Made:
        """Make it."""
        ...

    def read(self, call: Call) -> Made | None:
        """Look at it; None when it is gone."""
        ...

    def update(self, call: Call) -> Made:
        """Change it where it is."""
        ...

    def delete(self, call: Call) -> None:
        """Remove it, and see it gone."""
        ...
