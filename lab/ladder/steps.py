"""What the ladder boots, in order: our own rungs one by one, a runtime alone, Docker, then every other stack that is up.

Each is known by a name and a variant: `service`, or `null`, the static binary that shows the substrate alone. A step that
cannot run here keeps its place in the list, with the reason. Out of scope: bringing stacks up, which `vmlab up` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

from catalogue import substrates as rows
from lab.deploying import stacks
from lab.deploying.outputs import Conditions
from lab.measuring.runs import unavailable
from lab.measuring.subjects import subject_of
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
    return apart([*_own(artifact), *_runtimes(artifact), *_docker(artifact), *_stacks()])


def apart(rows: Iterable[Step | Missing]) -> tuple[list[Step], list[Missing]]:
    """The steps, and those that are missing, each in their order."""
    found = list(rows)
    return [row for row in found if isinstance(row, Step)], [row for row in found if isinstance(row, Missing)]


def names() -> list[str]:
    """Our own steps, as many as `rungs.prefixes()`: `fork+exec`, then each rung by its name.

    The last of them is `all`, where it has them all: without root some are missing, and their sum has no name."""
    *found, last = [prefix[-1] for prefix in rungs.prefixes()[1:]]
    return [FIRST, *found, LAST if {*found, last} == {*rungs.NAMES} else last]


def _missing(name: str, variant: str, error: Exception, fix: str = "") -> Missing:
    gap = unavailable(error, fix)
    return Missing(name, variant, gap["reason"], gap["fix"])


def _own(artifact: Artifact) -> Iterator[Step | Missing]:
    after, prefixes = "", rungs.prefixes()
    for name, prefix in zip(names(), prefixes, strict=True):
        for variant in VARIANTS:
            try:
                rungs.check(prefix)
                boot = partial(namespaces.boot, namespaces.for_ladder(artifact, prefix, variant))
            except (InvalidInput, Unavailable) as error:
                yield _missing(name, variant, error, "run it as root")
                continue
            adds = prefix[-1] if prefix else ""
            yield Step(name, variant, boot, namespaces.destroy, adds=adds, after=after, repeats=REPEATS)
        after = name
    left_out = [name for name in rungs.NAMES if name not in prefixes[-1]]
    for name, variant in product(left_out, VARIANTS):
        yield Missing(name, variant, f"the rung {name!r} needs root", "run it as root")


def _runtimes(artifact: Artifact) -> Iterator[Step | Missing]:
    like = namespaces.for_ladder(artifact)
    for runtime, variant in product(oci.RUNTIMES, VARIANTS):
        name = f"{runtime} alone"
        try:
            made = oci.definition(runtime, artifact, variant, like.cpus, like.memory_bytes)
            yield Step(name, variant, partial(oci.boot, made), oci.destroy)
        except Unavailable as error:
            yield _missing(name, variant, error)


def _docker(artifact: Artifact) -> Iterator[Step | Missing]:
    like = namespaces.for_ladder(artifact)
    for network, variant in product(plain.NETWORKS, VARIANTS):
        name = f"docker, {network} network"

        def boot(slot: Slot, request: Request, network: str = network, variant: str = variant) -> Boot:
            made = plain.definition(artifact, variant, network, slot.port, like.cpus, like.memory_bytes)
            return docker.boot(made, slot, request)

        try:
            plain.fetch_image(artifact, variant)
            yield Step(name, variant, boot, docker.destroy)
        except Unavailable as error:
            yield _missing(name, variant, error)


def _stacks() -> Iterator[Step | Missing]:
    """Every stack beyond our own rungs and Docker, whatever its substrate is."""
    own = {name for name, row in rows.known().items() if row.rungs}
    for name in [name for name in stacks.known() if stacks.substrate_of(name) not in own]:
        try:
            outputs = stacks.outputs(name)
            subject = subject_of(name, outputs)
        except VmlabError as error:
            yield _missing(name, "service", error, f"vmlab up {name}")
            continue
        yield Step(
            name, "service", subject.boot, subject.destroy,
            path=subject.path, echoes_nonce=subject.echoes_nonce, conditions=outputs["conditions"],
        )  # fmt: skip
