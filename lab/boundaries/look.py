"""Looking from inside: a copy of a substrate with the probe in the service's place, asked once and destroyed.

Out of scope: looking into the stack's own instance, which goes on serving.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from clients.http_probe import ask
from lab.boundaries.findings import Finding, Held, findings
from lab.deploying.outputs import Outputs
from lab.measuring.plan import say
from lab.measuring.subjects import limits_of, module_of
from machine import processes
from machine.addresses import FIRST_COPY_PORT, LOOPBACK
from machine.errors import Unavailable, VmlabError
from substrates.boundaries.reading import Reading, parse
from substrates.contract import Request, Slot

SLOT = Slot(98, FIRST_COPY_PORT + 98)
TASKS = 700  # more than any of the lab's limits on processes (256), and few enough for a machine without one
BEYOND = 1.25  # how many times the limit is asked for
LEAVE = 0.5  # of the memory that this machine has free
ANSWER_SECONDS = 20.0
PLAIN = "fork+exec"


@dataclass(frozen=True)
class Place:
    """Where to look: a substrate's module, and the definition of a copy."""

    name: str
    substrate: str
    module: ModuleType
    definition: Any
    held: Held


def place_of(stack: str, outputs: Outputs) -> Place:
    """A stack that is up."""
    module = module_of(stack, outputs)
    limits = limits_of(module, outputs)
    held = Held(limits["cpus"], limits["memory_bytes"])
    return Place(stack, outputs["substrate"], module, module.definition(outputs["instance"]), held)


def rungs_place(name: str, rungs: tuple[str, ...]) -> Place:
    """Our own rungs, for which no stack has to be up."""
    from substrates import namespaces
    from substrates.inputs import artifact

    definition = namespaces.for_ladder(artifact.load(), rungs)
    held = Held(definition.cpus, definition.memory_bytes)
    return Place(name, "namespaces", namespaces, definition, held)


def look(place: Place, *, limits: bool = True) -> Reading:
    """Boot the probe there and read what it saw; `limits`: whether it tries those, which takes 2 seconds.

    Unavailable where no probe can be put in the service's place, VmlabError when it did not answer as the probe does."""
    if not hasattr(place.module, "with_probe"):
        raise Unavailable(f"no probe is known for the substrate {place.substrate!r}", "")
    settings = bounds(place.held) if limits else {}
    definition = place.module.with_probe(place.definition, settings)
    request = Request("/", secrets.token_hex(8), echoed=True)
    boot = place.module.boot(definition, SLOT, request)
    try:
        answer = ask(f"{boot.url or f'http://{LOOPBACK}:{SLOT.port}'}/", ANSWER_SECONDS)
    finally:
        place.module.destroy(boot.copy)
    try:
        return parse(answer.body if answer else b"")
    except ValueError as error:
        raise VmlabError(f"{place.name}: {error}") from error


def bounds(held: Held) -> dict[str, str]:
    """How far limits are tried: a little beyond them, and never so far that this machine would suffer."""
    memory = int(held.memory_bytes * BEYOND)
    within = memory < processes.available_bytes() * LEAVE
    busy = math.ceil(held.cpus) + 1
    return {
        "PROBE_MEMORY": str(memory if within else 0),
        "PROBE_TASKS": str(TASKS),
        "PROBE_CPUS": str(busy),
    }


def everywhere(places: list[Place]) -> tuple[dict[str, dict[str, Finding]], dict[str, VmlabError]]:
    """The findings of every place, and the errors of those where it was not possible."""
    plain_place = rungs_place(PLAIN, ())
    say(f"looking from inside: {PLAIN}")
    plain = look(plain_place)
    found = {}
    failed: dict[str, VmlabError] = {}
    for place in places:
        say(f"looking from inside: {place.name}")
        try:
            found[place.name] = findings(look(place), plain, place.held)
        except VmlabError as error:
            failed[place.name] = error
    return {PLAIN: findings(plain, plain, plain_place.held), **found}, failed
