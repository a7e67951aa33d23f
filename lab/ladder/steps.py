"""What the ladder boots, in order: our own rungs one by one, a runtime alone, Docker, then every other stack that is up.

Each is known by a name and a variant: `service`, or `null`, the static binary that shows the substrate alone. A step that
cannot run here keeps its place in the list, with the reason. Out of scope: bringing stacks up, which `vmlab up` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from catalogue import substrates as rows
from lab.deploying import stacks
from lab.deploying.outputs import Conditions
from lab.measuring.runs import unavailable
from lab.measuring.subjects import Subject, subject_of
from machine.errors import InvalidInput, Unavailable, VmlabError
from substrates import namespaces, oci, rungs
from substrates.contract import Boot, Request, Slot
from substrates.docker import plain
from substrates.docker import substrate as docker
from substrates.inputs import artifact as artifacts
from substrates.inputs.artifact import Artifact

FIRST, LAST = "fork+exec", "all"
VARIANTS = ("null", "service")
REPEATS = 5  # of our own rungs: a boot of 3 ms is one slice of the scheduler, so a single one is uncertain


@dataclass(frozen=True)
class Step:
    """One thing to boot. `adds` is the rung that it has more than the step `after` which it comes; "" beyond our own rungs."""

    name: str
    variant: str
    boot: Callable[[Slot, Request], Boot]
    destroy: Callable[[Any], None]
    adds: str = ""
    after: str = ""
    path: str = "/"
    echoes_nonce: bool = True
    conditions: Conditions = field(default_factory=dict)
    repeats: int = 1  # boots a block

    @property
    def key(self) -> str:
        """Its name in the samples."""
        return f"{self.name} ({self.variant})"


@dataclass(frozen=True)
class Missing:
    """A step that cannot be booted here, and the command that changes it."""

    rung: str
    variant: str
    reason: str
    fix: str


def everything() -> tuple[list[Step], list[Missing]]:
    """All steps in the ladder's order, and those that are missing."""
    artifact = artifacts.load()
    found: list[Step] = []
    missing: list[Missing] = []
    for steps, gaps in (_own(artifact), _runtimes(artifact), _docker(artifact), _stacks()):
        found += steps
        missing += gaps
    return found, missing


def names() -> list[str]:
    """Our own steps, as many as `rungs.prefixes()`: `fork+exec`, then each rung by its name.

    The last of them is `all`, where it has them all: without root some are missing, and their sum has no name."""
    *found, last = [prefix[-1] for prefix in rungs.prefixes()[1:]]
    return [FIRST, *found, LAST if {*found, last} == {*rungs.NAMES} else last]


def _own(artifact: Artifact) -> tuple[list[Step], list[Missing]]:
    found: list[Step] = []
    missing: list[Missing] = []
    after, prefixes = "", rungs.prefixes()
    for name, prefix in zip(names(), prefixes, strict=True):
        for variant in VARIANTS:
            try:
                rungs.check(prefix)
                found.append(_own_step(artifact, name, after, prefix, variant))
            except InvalidInput as error:
                missing.append(Missing(name, variant, str(error), "run it as root"))
            except Unavailable as error:
                missing.append(Missing(name, variant, error.reason, error.fix))
        after = name
    left_out = [name for name in rungs.NAMES if name not in prefixes[-1]]
    missing += [
        Missing(name, variant, f"the rung {name!r} needs root", "run it as root")
        for name in left_out
        for variant in VARIANTS
    ]
    return found, missing


def _own_step(artifact: Artifact, name: str, after: str, prefix: tuple[str, ...], variant: str) -> Step:
    definition = namespaces.for_ladder(artifact, prefix, variant)

    def boot(slot: Slot, request: Request) -> Boot:
        return namespaces.boot(definition, slot, request)

    adds = prefix[-1] if prefix else ""
    return Step(name, variant, boot, namespaces.destroy, adds=adds, after=after, repeats=REPEATS)


def _runtimes(artifact: Artifact) -> tuple[list[Step], list[Missing]]:
    found: list[Step] = []
    missing: list[Missing] = []
    like = namespaces.for_ladder(artifact)
    for runtime in oci.RUNTIMES:
        for variant in VARIANTS:
            try:
                made = oci.definition(runtime, artifact, variant, like.cpus, like.memory_bytes)
                found.append(_runtime_step(f"{runtime} alone", variant, made))
            except Unavailable as error:
                missing.append(Missing(f"{runtime} alone", variant, error.reason, error.fix))
    return found, missing


def _runtime_step(name: str, variant: str, made: oci.Definition) -> Step:
    def boot(slot: Slot, request: Request) -> Boot:
        return oci.boot(made, slot, request)

    return Step(name, variant, boot, oci.destroy)


def _docker(artifact: Artifact) -> tuple[list[Step], list[Missing]]:
    found: list[Step] = []
    missing: list[Missing] = []
    for network in plain.NETWORKS:
        for variant in VARIANTS:
            name = f"docker, {network} network"
            try:
                plain.fetch_image(artifact, variant)
                found.append(_docker_step(name, variant, network, artifact))
            except Unavailable as error:
                missing.append(Missing(name, variant, error.reason, error.fix))
    return found, missing


def _docker_step(name: str, variant: str, network: str, artifact: Artifact) -> Step:
    like = namespaces.for_ladder(artifact)

    def boot(slot: Slot, request: Request) -> Boot:
        made = plain.definition(artifact, variant, network, slot.port, like.cpus, like.memory_bytes)
        return docker.boot(made, slot, request)

    return Step(name, variant, boot, docker.destroy)


def _stacks() -> tuple[list[Step], list[Missing]]:
    """Every stack beyond our own rungs and Docker, whatever its substrate is."""
    found: list[Step] = []
    missing: list[Missing] = []
    own = {name for name, row in rows.known().items() if row.rungs}
    for name in [name for name in stacks.known() if stacks.substrate_of(name) not in own]:
        try:
            outputs = stacks.outputs(name)
            subject = subject_of(name, outputs)
        except VmlabError as error:
            gap = unavailable(error, fix=f"vmlab up {name}")
            missing.append(Missing(name, "service", gap["reason"], gap["fix"]))
            continue
        found.append(_stack_step(subject, outputs["conditions"]))
    return found, missing


def _stack_step(subject: Subject, conditions: Conditions) -> Step:
    return Step(
        subject.stack, "service", subject.boot, subject.destroy,
        path=subject.path, echoes_nonce=subject.echoes_nonce, conditions=conditions,
    )  # fmt: skip
