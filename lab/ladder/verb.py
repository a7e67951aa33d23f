"""`vmlab ladder`: climb it, print what each step adds, keep the samples and the page.

Stacks are not brought up: those that are up are measured, the others are rows "not measured, because ...". Ctrl-C keeps what
was measured. Exit codes: 0 done, 1 a step failed, 3 nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import sys

from lab import facts, results
from lab.ladder import figures, gives, show
from lab.ladder.climb import climb
from lab.ladder.steps import Missing, Step, everything
from lab.measure import Plan
from lab.progress import say
from lab.results import RunWriter
from lab.substrates import each
from machine import places
from machine.errors import InvalidInput, VmlabError
from substrates import rungs
from substrates.docker import plain
from substrates.inputs import artifact

PAGE = "ladder.html"


def run(options: argparse.Namespace) -> int:
    """Everything."""
    if options.seed is not None and options.seed < 0:
        raise InvalidInput(f"--seed must be a whole number from 0, not {options.seed}")
    plan = Plan.of(quick=options.quick, seed=options.seed)
    images = _images_before()
    steps, missing = everything()
    writer = results.create(seed=plan.seed, quick=options.quick, host=facts.host(), root=figures.folder())
    _note(writer, steps, missing)
    failed, stopped = {}, False
    try:
        failed = climb(steps, plan.blocks, plan.seed, writer, say)
        _note_changes(writer, limits=not options.quick)
    except KeyboardInterrupt:
        say("stopped; keeping what was measured")
        stopped = True
    finally:
        _remove_copies()
        _forget(images)
    return _finish(writer, failed, stopped=stopped, as_json=options.json)


def _finish(writer: RunWriter, failed: dict[str, str], *, stopped: bool, as_json: bool) -> int:
    if not stopped:
        writer.finish()
    run_ = results.load(writer.run, figures.folder())
    measured = {str(sample.dimensions["stack"]) for sample in run_.samples if sample.metric == "boot_seconds"}
    for key, reason in failed.items():
        if key not in measured:
            writer.set_stack(
                key, {**writer.stacks[key], "available": False, "reason": reason, "fix": "vmlab doctor"}
            )
    found = figures.figures(results.load(writer.run, figures.folder()))
    show.write(found, writer.directory / PAGE)
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    for folder in (writer.directory, *(places.runs() / run for run in results.list_runs()[:1])):
        (folder / show.FILE).write_text(text, encoding="utf-8")  # the newest run's report shows it, too
    sys.stdout.write(text if as_json else show.text(found))
    say(f"raw samples and page: {writer.directory}")
    return 3 if not found["rungs"] else 1 if failed or stopped else 0


def _note(writer: RunWriter, steps: list[Step], missing: list[Missing]) -> None:
    """The steps in their order; what a rung is, in its own words."""
    words = {rung.name: rung.describe() for rung in rungs.RUNGS}
    for step in steps:
        about = {
            "rung": step.name,
            "variant": step.variant,
            "adds": step.adds,
            "after": step.after,
            "describes": words.get(step.adds, ""),
        }
        writer.set_stack(step.key, {"available": True, **about, "conditions": step.conditions})
    for gap in missing:
        about = {"rung": gap.name, "variant": gap.variant, "reason": gap.reason, "fix": gap.fix}
        writer.set_stack(f"{gap.name} ({gap.variant})", {"available": False, "adds": "", **about})


def _note_changes(writer: RunWriter, *, limits: bool) -> None:
    """What the probe sees to have changed; without it the times are worth as much."""
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
    """The images that are pulled for the ladder alone, and go with it."""
    pulled = []
    for variant in ("null", "service"):
        try:
            pulled.append(plain.fetch_image(artifact.load(), variant))
        except VmlabError:
            continue  # a row says why
    return [image for image in pulled if image]


def _forget(images: list[str]) -> None:
    for image in images:
        plain.forget_image(image)


def _remove_copies() -> None:
    for name, module in each().items():
        try:
            module.remove_copies()
        except VmlabError as error:
            say(f"{name}: {error}")
