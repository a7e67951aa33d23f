"""Runs as the lab writes them, with values like those of a small machine; made anew for each test."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, cast

from lab.deploying.outputs import Limits
from lab.measuring.host import Host
from lab.measuring.runs import RunData, RunWriter, StackFacts, create, load
from lab.measuring.samples import Sample

ARTIFACT = "sha256:" + "ab12cd34" * 8
LIMITS: Limits = {"cpus": 1, "memory_bytes": 512 * 1024**2, "enforced": True}
HOST: Host = {
    "cpu": "Example CPU",
    "cores": 2,
    "memory_bytes": 8 * 1024**3,
    "kernel": "6.1",
    "os": "Debian 12",
}
PHASES = {
    "process": {"accepted": 0.001, "service": 0.007, "listening": 0.005, "answered": 0.001},
    "docker": {"accepted": 0.06, "sandboxed": 0.17, "service": 0.02, "listening": 0.006, "answered": 0.001},
    "vm": {"accepted": 0.3, "kernel": 1.9, "init": 0.6, "service": 0.5, "listening": 0.1, "answered": 0.004},
}
MISSING: StackFacts = {"available": False, "reason": "no cluster answers", "fix": "vmlab host up cluster"}


def facts(stack: str, **changes: Any) -> StackFacts:
    """What run.json has of a stack."""
    conditions = {"kernel": "6.1", **({"accelerator": "tcg"} if stack == "vm" else {})}
    base = {"available": True, "substrate": stack, "url": "http://127.0.0.1:18080", "artifact": ARTIFACT}
    return cast(StackFacts, {**base, "limits": LIMITS, "conditions": conditions, **changes})


def writer(root: Path, seed: int = 42, host: dict[str, Any] | None = None) -> RunWriter:
    """A run that has just begun."""
    return create(root=root, seed=seed, quick=True, host=cast(Host, {**HOST, **(host or {})}))


def boot(run: RunWriter, stack: str, block: int, factor: float = 1.0, rest: float = 0.0) -> None:
    """One boot whose phases are all `factor` times the usual, with `rest` that no phase explains."""
    dimensions: dict[str, str | int] = {"stack": stack, "block": block, "boot": f"{stack}-{block}"}
    phases = {name: value * factor for name, value in PHASES[stack].items()}
    run.add(Sample("boot_seconds", sum(phases.values()) + rest, "s", dimensions))
    for name, value in phases.items():
        run.add(Sample("phase_seconds", value, "s", {**dimensions, "phase": name}))
    run.add(Sample("memory_pss_bytes", 12 * 1024**2 * factor, "B", dimensions))


def run_of(root: Path, *stacks: str, blocks: int = 10, seed: int = 42, **changes: Any) -> RunData:
    """A finished run of these stacks."""
    run = writer(root, seed)
    chance = random.Random(seed)
    for stack in stacks:
        run.set_stack(stack, facts(stack, **changes))
    for block in range(blocks):
        for stack in stacks:
            boot(run, stack, block, chance.lognormvariate(0, 0.1))
    run.finish()
    return load(run.run, root)
