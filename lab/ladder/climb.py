"""Climbing: every step in every block. A step that did not answer once is not retried; what it had measured stays."""

from __future__ import annotations

from catalogue import metrics
from lab.ladder.steps import Step
from lab.measuring import boots
from lab.measuring.plan import Plan, say, turns
from lab.measuring.runs import RunWriter
from lab.measuring.samples import Dimensions, Sample
from machine.errors import VmlabError


def climb(steps: list[Step], plan: Plan, writer: RunWriter) -> dict[str, str]:
    """Boot every step in every block of the plan, as often as it is to be repeated; by key the steps that failed, and why."""
    failed: dict[str, str] = {}
    repeated = [step for step in steps for _ in range(step.repeats)]
    for number, block, step in turns(repeated, plan.blocks, plan.seed):
        if step.key in failed:
            continue
        where: Dimensions = {
            "stack": step.key, "rung": step.name, "variant": step.variant, "block": block,
        }  # fmt: skip
        try:
            boots.live(step, boots.slot(number), boots.Keep(writer, where), lambda _: False)
        except VmlabError as error:
            failed[step.key] = str(error).splitlines()[0]
            say(f"error: {step.key}: {error}")
            writer.add(Sample.of(metrics.BOOT_FAILED, 1, where))
    return failed
