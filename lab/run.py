"""`vmlab run`: the whole story. Set up, stand up, measure, compare, tear down, report.

What fails on one substrate does not stop the others: it becomes a row "not measured, because". Ctrl-C keeps what was
measured, and whatever was stood up is torn down.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from lab import accelerator, cluster, facts, gc, measure, preparation, results, stacks
from lab.progress import say
from lab.results import RunWriter
from lab.sample import Sample
from lab.show import show
from machine.errors import Unavailable, VmlabError


def run(options: argparse.Namespace) -> int:
    """Everything; 0 done, 1 something failed, 3 nothing could be measured."""
    names = stacks.chosen(options.stack, quick=options.quick)
    accelerator.check()
    cluster.check()
    started = time.monotonic()
    missing = preparation.set_up(names, yes=options.yes)
    accelerator.check()  # once more, with what was missing before: QEMU, and the guest's own kernel
    if options.service:
        preparation.build_service(Path(options.service), names)
    plan = measure.Plan.of(quick=options.quick, seed=options.seed)
    writer = results.create(seed=plan.seed, quick=options.quick, host=facts.host())
    for name, error in missing.items():
        writer.set_stack(name, preparation.facts_of(error))
    code = _stand_up_and_measure([name for name in names if name not in missing], plan, writer)
    writer.finish()
    show(writer.run, as_json=options.json)
    say(f"{time.monotonic() - started:.0f} s in all; raw samples and report: {writer.directory}")
    return code


def measure_only(options: argparse.Namespace) -> int:
    """`vmlab measure`: what is up already."""
    accelerator.check()
    cluster.check()
    names = stacks.chosen(options.stack) if options.stack else _running()
    plan = measure.Plan.of(quick=options.quick, seed=options.seed)
    writer = results.create(seed=plan.seed, quick=options.quick, host=facts.host())
    try:
        tally = _measure(names, plan, writer, required=bool(options.stack))
    finally:
        gc.remove_copies()
    writer.finish()
    show(writer.run, as_json=options.json)
    return _code(tally, failed=False)


def _stand_up_and_measure(names: list[str], plan: measure.Plan, writer: RunWriter) -> int:
    touched: list[str] = []
    failed, tally = False, measure.Tally()
    try:
        for name in names:
            touched.append(name)
            failed |= not _up(name, writer)
        tally = _measure(names, plan, writer, required=False)
    except KeyboardInterrupt:
        say("stopped; keeping what was measured")
        failed = True
    finally:
        gc.remove_copies()  # one that Ctrl-C interrupted still holds the stack's network
        for name in reversed(touched):
            failed |= not _down(name, writer)
    return _code(tally, failed=failed)


def _code(tally: measure.Tally, *, failed: bool) -> int:
    """The exit code: 1 when something failed or did not answer, 3 when there is nothing to compare."""
    if failed or tally.failed:
        return 1
    return 0 if tally.good else 3


def _up(name: str, writer: RunWriter) -> bool:
    try:
        seconds = stacks.up(name)
    except VmlabError as error:
        writer.set_stack(name, {"available": False, "reason": str(error), "fix": error.next_command})
        return False
    writer.add(Sample("pulumi_up_seconds", seconds, "s", {"stack": name}))
    return True


def _down(name: str, writer: RunWriter) -> bool:
    if name not in stacks.with_state():  # its program was refused before anything was made
        return True
    try:
        seconds = stacks.destroy(name, "--skip-preview")
    except VmlabError as error:
        say(f"error: {error}; try: vmlab gc")
        return False
    writer.add(Sample("pulumi_destroy_seconds", seconds, "s", {"stack": name}))
    return True


def _measure(names: list[str], plan: measure.Plan, writer: RunWriter, *, required: bool) -> measure.Tally:
    subjects = []
    for name in names:
        try:
            outputs = stacks.outputs(name)
            accelerator.refuse_another(name, outputs["conditions"])
            cluster.refuse_another(name, outputs)
            subject = measure.subject_of(name, outputs)
            writer.set_stack(name, _facts(outputs, subject))
            image = subject.module.image_bytes(outputs["instance"])
            writer.add(Sample("disk_image_bytes", image, "B", {"stack": name}))
            subjects.append(subject)
        except VmlabError as error:
            if required:
                raise
            _not_measured(writer, name, error)
    return measure.measure(plan, subjects, writer, say) if subjects else measure.Tally()


def _facts(outputs: dict[str, Any], subject: measure.Subject) -> dict[str, Any]:
    """What the stack says of itself, with artifact and limits as the running thing has them."""
    instance = outputs["instance"]
    return {
        "available": True,
        "substrate": outputs["substrate"],
        "url": outputs["url"],
        "instance": instance,
        "artifact": subject.module.artifact(instance),
        "limits": {
            **outputs["limits"],
            **subject.module.limits(instance).as_dict(),
        },  # declared where nothing limits it
        "declared": {"artifact": outputs["artifact"], "limits": outputs["limits"]},
        "conditions": outputs["conditions"],
    }


def _not_measured(writer: RunWriter, name: str, error: Exception) -> None:
    if name in writer.stacks:  # `up` has said why already
        return
    reason = error.reason if isinstance(error, Unavailable) else str(error)
    fix = error.fix if isinstance(error, Unavailable) else getattr(error, "next_command", "")
    writer.set_stack(name, {"available": False, "reason": reason, "fix": fix})


def _running() -> list[str]:
    found = []
    for name in stacks.known():
        try:
            stacks.outputs(name)
        except VmlabError:
            continue
        found.append(name)
    if not found:
        raise VmlabError("no stack is up", "vmlab up process")
    return found
