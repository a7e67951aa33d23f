"""Climbing: every step in every block, in an order drawn from the seed, so that a slow minute of the machine hits all alike.

The first block warms up and is thrown away. A step that does not answer once is not asked again; what it had measured stays.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable

from lab.ladder.steps import Step
from lab.results import RunWriter
from lab.sample import Sample
from machine.errors import VmlabError
from substrates.contract import Boot, Request, Slot

FIRST_PORT = 18200
SLOTS = 50  # guests have no more addresses
SAY_EVERY_SECONDS = 5.0


def climb(
    steps: list[Step], blocks: int, seed: int, writer: RunWriter, say: Callable[[str], None]
) -> dict[str, str]:
    """Boot every step `blocks` times; by key the steps that failed, and why."""
    order, number = random.Random(seed), 0
    failed: dict[str, str] = {}
    turns = [step for step in steps for _ in range(step.repeats)]
    started, said, whole = time.monotonic(), 0.0, (blocks + 1) * len(turns)
    for block in range(-1, blocks):
        for step in order.sample(turns, len(turns)):
            number += 1
            if step.key in failed:
                continue
            try:
                _take(step, block, number % SLOTS, writer)
            except VmlabError as error:
                failed[step.key] = str(error).splitlines()[0]
                say(f"error: {step.key}: {error}")
                writer.add(Sample("boot_failed", 1, "boots", _dimensions(step, block)))
            if time.monotonic() - said > SAY_EVERY_SECONDS:
                said = time.monotonic()
                left = (said - started) / number * (whole - number)
                say(f"block {block + 1} of {blocks}; {left:.0f} s left" if block >= 0 else "warming up")
    return failed


def _take(step: Step, block: int, slot: int, writer: RunWriter) -> None:
    """One copy's life: boot it, keep its times, take it away."""
    nonce = secrets.token_hex(8)
    boot = step.boot(Slot(slot, FIRST_PORT + slot), Request(step.path, nonce, step.echoes_nonce))
    try:
        if block >= 0:
            _keep(writer, boot, {**_dimensions(step, block), "boot": nonce})
    finally:
        start = time.monotonic_ns()
        step.destroy(boot.copy)
    if block >= 0:
        seconds = (time.monotonic_ns() - start) / 1e9
        writer.add(Sample("destroy_seconds", seconds, "s", {**_dimensions(step, block), "boot": nonce}))


def _keep(writer: RunWriter, boot: Boot, dimensions: dict[str, str | int]) -> None:
    writer.add(Sample("boot_seconds", boot.seconds, "s", dimensions))
    for phase, seconds in boot.phases_seconds().items():
        writer.add(Sample("phase_seconds", seconds, "s", {**dimensions, "phase": phase}))


def _dimensions(step: Step, block: int) -> dict[str, str | int]:
    return {"stack": step.key, "rung": step.name, "variant": step.variant, "block": block}
