"""`vmlab measure`: what is up already; and the measuring that `vmlab run` does in its middle."""

from __future__ import annotations

import argparse

from catalogue import metrics
from lab.commands import gc, options
from lab.commands.report import keep_and_show
from lab.deploying import stacks
from lab.deploying.outputs import Outputs
from lab.measuring import runs
from lab.measuring.blocks import Tally, measure
from lab.measuring.host import host
from lab.measuring.plan import Plan
from lab.measuring.runs import RunWriter, StackFacts
from lab.measuring.samples import Sample
from lab.measuring.subjects import Subject, limits_of, subject_of
from machine.errors import VmlabError


def run(arguments: argparse.Namespace) -> int:
    """Measure the stacks that are up, or those that were named; 0 done, 1 something failed, 3 nothing could be measured."""
    options.check()
    names = stacks.chosen(arguments.stack) if arguments.stack else stacks.running()
    plan = Plan.of(quick=arguments.quick, seed=arguments.seed)
    writer = runs.create(seed=plan.seed, quick=arguments.quick, host=host())
    try:
        tally = measure_stacks(names, plan, writer, required=bool(arguments.stack))
    finally:
        gc.remove_copies()
    writer.finish()
    keep_and_show(writer.run, as_json=arguments.json)
    return exit_code(tally, failed=False)


def exit_code(tally: Tally, *, failed: bool) -> int:
    """1 when something failed or did not answer, 3 when there is nothing to compare."""
    if failed or tally.failed:
        return 1
    return 0 if tally.good else 3


def measure_stacks(names: list[str], plan: Plan, writer: RunWriter, *, required: bool) -> Tally:
    """Measure these stacks; one that cannot be is a row with the reason, or, when `required`, an error."""
    subjects = []
    for name in names:
        try:
            outputs = stacks.outputs(name)
            options.refuse_another(name, outputs)
            subject = subject_of(name, outputs)
            writer.set_stack(name, _facts(outputs, subject))
            image_bytes = subject.module.image_bytes(outputs["instance"])
            writer.add(Sample.of(metrics.DISK_IMAGE, image_bytes, {"stack": name}))
            subjects.append(subject)
        except VmlabError as error:
            if required:
                raise
            if name not in writer.stacks:  # else `up` has given the reason
                writer.set_stack(name, runs.unavailable(error))
    return measure(plan, subjects, writer) if subjects else Tally()


def _facts(outputs: Outputs, subject: Subject) -> StackFacts:
    """The stack's outputs, with artifact and limits as they were read back from the running instance."""
    instance, limits = outputs["instance"], limits_of(subject.module, outputs)
    seen = {name: value for name, value in limits.items() if name.startswith("guest_") and value is not None}
    return {
        "available": True,
        "substrate": outputs["substrate"],
        "url": outputs["url"],
        "instance": instance,
        "artifact": subject.module.artifact(instance),
        "limits": limits,
        "declared": {"artifact": outputs["artifact"], "limits": outputs["limits"]},
        "conditions": {**outputs["conditions"], **seen},
    }
