"""Measuring stacks side by side: in each block a copy of every one, each sample written as soon as it exists.

What fails on one subject does not keep the others from being measured; a subject that failed once is not retried.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from catalogue import metrics
from lab.measuring import boots
from lab.measuring.plan import Plan, say, turns
from lab.measuring.runs import RunWriter, unavailable
from lab.measuring.samples import Sample
from lab.measuring.subjects import Subject
from machine.errors import NeverAnswered, Unavailable, VmlabError

FIXED_SECONDS = 3.0  # of an idle control plane, which works in bursts of a second or two


@dataclass
class Tally:
    """The outcome: how many boots counted, and stacks of which a boot failed."""

    good: int = 0
    failed: set[str] = field(default_factory=set)


def measure(plan: Plan, subjects: list[Subject], writer: RunWriter) -> Tally:
    """Measure every subject. Ctrl-C leaves what was measured."""
    for subject in subjects:
        try:
            _fixed(subject, writer)
        except VmlabError as error:  # one figure less; whether copies can be made is seen below
            say(f"error: {error}")
    tally = Tally()
    for number, block, subject in turns(subjects, plan.blocks, plan.seed):
        if subject.stack in tally.failed:
            continue
        keep = boots.Keep(writer, {"stack": subject.stack, "block": block})
        try:
            boots.whole(subject, boots.slot(number), keep, load=0 <= block < plan.loads)
            tally.good += block >= 0
        except VmlabError as error:  # the others can still be measured
            _note_failure(subject, block, error, writer, tally)
            say(f"error: {error}")
    return tally


def _fixed(subject: Subject, writer: RunWriter) -> None:
    """What a substrate takes without any copy, once a run: memory, also by program, and CPU while it is idle."""
    if not hasattr(subject.module, "fixed"):
        return
    start, before = time.monotonic(), subject.module.fixed()
    if not before:
        return
    time.sleep(FIXED_SECONDS)
    after, seconds = subject.module.fixed(), time.monotonic() - start
    parts = sorted(before.keys() & after.keys())
    used = sum(after[part][1] - before[part][1] for part in parts)
    values = {metrics.FIXED_PSS: sum(after[part][0] for part in parts), metrics.FIXED_CPU: used / seconds}
    if ready := subject.module.ready_seconds():
        values[metrics.FIXED_READY] = ready
    for metric, value in values.items():
        writer.add(Sample.of(metric, value, {"stack": subject.stack}))
    for part in parts:
        writer.add(Sample.of(metrics.FIXED_PART, after[part][0], {"stack": subject.stack, "part": part}))


def _note_failure(subject: Subject, block: int, error: VmlabError, writer: RunWriter, tally: Tally) -> None:
    """Keep a boot that failed as a sample; without a single good one the stack is not measured, with the reason."""
    tally.failed.add(subject.stack)
    writer.add(Sample.of(metrics.BOOT_FAILED, 1, {"stack": subject.stack, "block": block}))
    if block < 0:
        writer.set_stack(subject.stack, unavailable(Unavailable(_reason(error), f"vmlab up {subject.stack}")))


def _reason(error: VmlabError) -> str:
    if isinstance(error, NeverAnswered):
        return f"its service never answered; the last milestone it reached was {error.milestone!r}"
    return str(error).partition("\n")[0]
