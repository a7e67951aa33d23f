"""`vmlab ladder`: boot every step, print what each adds, keep the samples and the page.

Stacks are not brought up: those that are up are measured, the others are rows "not measured, because ...". Ctrl-C keeps what
was measured. Exit codes: 0 done, 1 a step failed, 3 nothing could be measured.
"""

from __future__ import annotations

import argparse
import sys

from catalogue import metrics
from lab.commands import gc
from lab.ladder import figures, gives, table
from lab.ladder.climb import climb
from lab.ladder.steps import VARIANTS, Missing, Step, everything
from lab.measuring import runs
from lab.measuring.host import host
from lab.measuring.plan import Plan, say
from lab.measuring.runs import RunWriter, StackFacts
from machine import files
from machine.errors import Unavailable, VmlabError
from substrates import rungs
from substrates.docker import plain
from substrates.inputs import artifact

PAGE = "ladder.html"


def run(options: argparse.Namespace) -> int:
    """Everything."""
    plan = Plan.of(quick=options.quick, seed=options.seed)
    images = _images_before()
    steps, missing = everything()
    writer = runs.create(seed=plan.seed, quick=options.quick, host=host(), root=figures.folder())
    _note(writer, steps, missing)
    failed, stopped = {}, False
    try:
        failed = climb(steps, plan, writer)
        _note_changes(writer, limits=not options.quick)
    except KeyboardInterrupt:
        say("stopped; keeping what was measured")
        stopped = True
    finally:
        gc.remove_copies()
        for image in images:
            plain.forget_image(image)
    return _finish(writer, failed, stopped=stopped, as_json=options.json)


def _finish(writer: RunWriter, failed: dict[str, str], *, stopped: bool, as_json: bool) -> int:
    if not stopped:
        writer.finish()
    samples = runs.load(writer.directory).samples
    measured = {sample.dimensions["stack"] for sample in samples if sample.metric == metrics.BOOT.name}
    for key, reason in failed.items():
        if key not in measured:
            gap = runs.unavailable(Unavailable(reason, "vmlab doctor"))
            writer.set_stack(key, {**writer.stacks[key], **gap})
    found = figures.figures(runs.load(writer.directory))
    files.write(writer.directory / PAGE, table.page(found))
    for folder in filter(None, (writer.directory, runs.newest())):
        files.write(folder / figures.FILE, found.json())  # the newest run's report shows it, too
    sys.stdout.write(found.json() if as_json else table.text(found))
    say(f"raw samples and page: {writer.directory}")
    return 3 if not found.rungs else 1 if failed or stopped else 0


def _note(writer: RunWriter, steps: list[Step], missing: list[Missing]) -> None:
    """The steps in their order, with the description of each rung."""
    words = {rung.name: rung.describe() for rung in rungs.RUNGS}
    for step in steps:
        about: StackFacts = {
            "available": True,
            "rung": step.name,
            "variant": step.variant,
            "adds": step.adds,
            "after": step.after,
            "describes": words.get(step.adds, ""),
            "conditions": step.conditions,
        }
        writer.set_stack(step.key, about)
    for gap in missing:
        why = runs.unavailable(Unavailable(gap.reason, gap.fix))
        writer.set_stack(
            f"{gap.rung} ({gap.variant})", {**why, "adds": "", "rung": gap.rung, "variant": gap.variant}
        )


def _note_changes(writer: RunWriter, *, limits: bool) -> None:
    """What the probe sees to have changed; the times do not depend on it."""
    say("looking from inside at every rung")
    try:
        changes = gives.changes(limits=limits)
    except VmlabError as error:
        say(f"error: {error}")
        return
    for key, known in list(writer.stacks.items()):
        if known.get("available") and known["rung"] in changes:
            writer.set_stack(key, {**known, "changes": changes[known["rung"]]})


def _images_before() -> list[str]:
    """The images that are pulled for the ladder alone, and are removed with it."""
    pulled = []
    for variant in VARIANTS:
        try:
            pulled.append(plain.fetch_image(artifact.load(), variant))
        except VmlabError:
            continue  # a row has the reason
    return [image for image in pulled if image]
