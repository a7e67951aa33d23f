"""`vmlab run`: set up, deploy, measure, compare, destroy, report.

What fails on one substrate does not stop the others: it becomes a row "not measured, because". Ctrl-C keeps what was
measured, and whatever was deployed is destroyed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from catalogue import metrics
from lab.commands import gc, options
from lab.commands.measure import exit_code, measure_stacks
from lab.commands.report import keep_and_show
from lab.deploying import preparation, stacks
from lab.measuring import runs
from lab.measuring.blocks import Tally
from lab.measuring.host import host
from lab.measuring.plan import Plan, say
from lab.measuring.runs import RunWriter
from lab.measuring.samples import Sample
from machine.errors import VmlabError


def run(arguments: argparse.Namespace) -> int:
    """Everything; 0 done, 1 something failed, 3 nothing could be measured."""
    names = stacks.chosen(arguments.stack, quick=arguments.quick)
    options.check()
    started = time.monotonic()
    plan = Plan.of(quick=arguments.quick, seed=arguments.seed)
    missing = preparation.set_up(names, yes=arguments.yes, own_cluster=not options.names_cluster())
    for name, error in missing.items():
        say(f"{name}: left out: {error}")
    options.check()  # once more, with what was missing before: QEMU, and the guest's own kernel
    if arguments.service:
        preparation.build_service(Path(arguments.service), names, say)
    writer = runs.create(seed=plan.seed, quick=arguments.quick, host=host())
    for name, error in missing.items():
        writer.set_stack(name, runs.unavailable(error, fix="vmlab doctor"))
    code = _deploy_and_measure([name for name in names if name not in missing], plan, writer)
    writer.finish()
    keep_and_show(writer.run, as_json=arguments.json)
    say(f"{time.monotonic() - started:.0f} s in all; raw samples and report: {writer.directory}")
    return code


def _deploy_and_measure(names: list[str], plan: Plan, writer: RunWriter) -> int:
    touched: list[str] = []
    failed, tally = False, Tally()
    try:
        for name in names:
            touched.append(name)
            failed |= not _up(name, writer)
        tally = measure_stacks(names, plan, writer, required=False)
    except KeyboardInterrupt:
        say("stopped; keeping what was measured")
        failed = True
    finally:
        gc.remove_copies()  # one that Ctrl-C interrupted still uses the stack's network
        for name in reversed(touched):
            failed |= not _down(name, writer)
    return exit_code(tally, failed=failed)


def _up(name: str, writer: RunWriter) -> bool:
    try:
        seconds = stacks.up(name)
    except VmlabError as error:
        writer.set_stack(name, runs.unavailable(error))
        return False
    writer.add(Sample.of(metrics.PULUMI_UP, seconds, {"stack": name}))
    return True


def _down(name: str, writer: RunWriter) -> bool:
    if name not in stacks.with_state():  # its program was refused before anything was created
        return True
    try:
        seconds = stacks.destroy(name, "--skip-preview")
    except VmlabError as error:
        say(f"error: {error}; try: vmlab gc")
        return False
    writer.add(Sample.of(metrics.PULUMI_DESTROY, seconds, {"stack": name}))
    return True
