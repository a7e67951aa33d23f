"""The service as a bare process on the host: the traditional deployment, and the baseline of the comparison.

It runs the artifact's own bytes in place, through the artifact's dynamic loader, as an unprivileged user with
no_new_privs, no capabilities and limits on files and processes. The launcher of the rungs gives up these privileges and
becomes the service: no other program is executed, and no supervisor stays. Nothing isolates it: it sees the host's
processes, network and kernel. A CPU limit is an affinity to that many processors; memory cannot be limited.
Out of scope: everything that `namespaces` adds.
"""

from __future__ import annotations

from typing import Any

from substrates import rungs
from substrates.contract import Boot, Footprint, Limits, Request, Slot
from substrates.copies import life, records
from substrates.copies.records import Definition, Handle

KIND = records.PROCESS
__all__ = ["Definition", "Handle"]

# -- start and stop

start, wait, stop, destroy, set_limits = life.start, life.wait, life.stop, life.destroy, life.set_limits


def define(**given: Any) -> Definition:
    """A definition from these members of it; what every bare process has is added."""
    return Definition(**given, kind=KIND, rungs=rungs.unprivileged())


def find(name: str) -> Handle | None:
    """The copy of this name, living or dead; None if there is none on record."""
    return records.find(KIND, name)


def names() -> list[str]:
    """Every copy on record."""
    return records.names(KIND)


# -- fresh copies, as `contract` has them


def definition(instance: dict[str, Any]) -> Definition:
    """The stack's own, from its record."""
    return life.running(KIND, instance["name"]).definition


def boot(definition: Definition, slot: Slot, request: Request) -> Boot:
    """Start a copy; `accepted` is when its process exists, the rest is what the service reports itself."""
    return life.boot(definition, slot, request)


def footprint(copy: Handle) -> Footprint:
    """Of the process and everything it started."""
    return life.footprint(copy)


def limits(instance: dict[str, Any]) -> Limits:
    """The CPUs of its affinity; memory is not limited."""
    return life.limits(life.running(KIND, instance["name"]))


def artifact(instance: dict[str, Any]) -> str:
    """The digest of the tree that the running process has its program from."""
    return life.digest(find(instance["name"]))


def image_bytes(instance: dict[str, Any]) -> int:
    """The size of that tree."""
    return life.tree_bytes(find(instance["name"]))


def remove_copies() -> None:
    """Stop and forget the copies of an interrupted run."""
    life.remove_all(KIND, [name for name in names() if records.is_copy(name)])


def everything_labelled() -> list[str]:
    """Every process of the lab on record, copies included."""
    return names()


def remove_labelled() -> None:
    """Stop and forget them."""
    life.remove_all(KIND, names())


def with_probe(definition: Definition, settings: dict[str, str]) -> Definition:
    """The same process with the probe in the service's place."""
    return life.with_probe(definition, settings)
