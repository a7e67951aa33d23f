"""What a kind of resource is to the servicer, and what passes between them.

A kind is a module with these functions, and a row KIND. It sees plain values (no Secret) and never gRPC, so that the files of
the kinds can be read side by side and tried without a server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Kind:
    """A kind of resource: its token, inputs and computed outputs, its life, and where it differs from the common behaviour."""

    TYPE: str
    INPUTS: Mapping[str, Input]
    COMPUTED: tuple[str, ...]  # its outputs that are not inputs
    create: Callable[[Call], Made]
    read: Callable[[Call], Made | None]  # None when it is gone
    delete: Callable[[Call], None]  # done when it is gone
    # Changes it in place; by default Docker cannot, and the engine calls only to store.
    update: Callable[[Call], Made] = lambda call: Made(call.id, {**call.outputs, **call.inputs})
    # The outputs as far as a preview knows them, the changed ones UNKNOWN.
    preview: Callable[[Call], Plain] = lambda call: call.inputs
    # Inputs to add, and the faults that the form of a single input does not show.
    check: Callable[[Plain, Path], tuple[Plain, list[Fault]]] = lambda inputs, directory: ({}, [])
    # Inputs that what Read found contradicts.
    drift: Callable[[Plain, Plain], list[str]] = lambda outputs, news: []
    # Whether a replacement must wait until the old object is gone (old and new inputs).
    deletes_first: Callable[[Plain, Plain], bool] = lambda olds, news: False
    # How a change of a key reaches Docker (key, old and new inputs), where the table of inputs is not enough.
    changes: Callable[[str, Plain, Plain], Applied] | None = None

    def how(self, key: str, olds: Plain, news: Plain) -> Applied:
        """How this change of `key` reaches Docker."""
        return self.changes(key, olds, news) if self.changes else self.INPUTS[key].applied


def same_name(olds: Plain, news: Plain) -> bool:
    """Two objects of a kind cannot have one name."""
    return bool(olds.get("name") == news.get("name"))
