"""Compares a guest's boot in the lab with QEMU by hand.

    python -m bench.vm [--pairs 15] [--seed N] [--json FILE] [stack ...]

The claim: a hand-written QEMU command line with the same kernel, initramfs and disks is at most 5 % faster than a boot as the
lab measures it (ratio of medians at most 1.05), for vm-slim and for vm. The two members of each pair run in shuffled order;
medians of the phases show where a difference is. Creates the stacks and destroys them again. Exit code 1 when the claim
does not hold. Out of scope: absolute numbers, which depend on the machine and its load.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.boot.__main__ import interleaved
from bench.vm.by_hand import Hand
from lab.analysis.stats import ratio_interval
from lab.deploying import stacks
from machine.addresses import FIRST_COPY_PORT
from machine.errors import VmlabError
from substrates.contract import Boot, Request, Slot
from substrates.vm import substrate as vm

RATIO = 1.05
STACKS = ("vm-slim", "vm")
SLOT = Slot(48, FIRST_COPY_PORT + 48)


def main() -> int:
    """Measure, print, judge."""
    options = _options()
    report: dict[str, Any] = {"seed": options.seed, "load": os.getloadavg()[0]}
    for stack in options.stack or STACKS:
        with _standing(stack) as instance:
            found = against_qemu(
                instance, options.pairs, random.Random(options.seed), f"{options.seed}/{stack}"
            )
        print(f"{stack:<8} {'kept' if found['kept'] else 'NOT KEPT'}  {found['text']}")
        print("\n".join(f"         {line}" for line in phase_lines(found)), flush=True)
        report[stack] = found
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(report[stack]["kept"] for stack in options.stack or STACKS) else 1


def against_qemu(instance: dict[str, Any], pairs: int, order: random.Random, seed: str) -> dict[str, Any]:
    """The ratio of the lab's boot to the one by hand, in total and by phase."""
    definition = vm.definition(instance)
    hand, boots = Hand(definition), dict[str, list[Boot]](lab=[], hand=[])

    def ours(nonce: str) -> float:
        boot = vm.boot(definition, SLOT, Request(instance["path"], nonce, instance["echoes_nonce"]))
        vm.destroy(boot.copy)
        boots["lab"].append(boot)
        return boot.seconds

    def theirs(nonce: str) -> float:
        boot = hand.boot(Request(instance["path"], nonce, instance["echoes_nonce"]))
        boots["hand"].append(boot)
        return boot.seconds

    lab, by_hand = interleaved(ours, theirs, pairs, order)
    medians = statistics.median(lab.values()), statistics.median(by_hand.values())
    ratio, interval = medians[0] / medians[1], ratio_interval(lab, by_hand, seed)
    low, high = interval or (ratio, ratio)
    text = (
        f"lab {medians[0]:.3f} s, QEMU by hand {medians[1]:.3f} s: "
        f"ratio {ratio:.3f} ({low:.3f} to {high:.3f}), at most {RATIO}; {pairs} pairs"
    )
    phases = {who: _medians(found[1:]) for who, found in boots.items()}
    return {
        "kept": ratio <= RATIO, "text": text, "ratio": ratio, "ci95": [low, high], "n": pairs, "phases_seconds": phases,
    }  # fmt: skip


def phase_lines(found: dict[str, Any]) -> list[str]:
    """Median of each phase; by hand the start of QEMU is not reported, so that time is part of its `kernel`."""
    lab, hand = found["phases_seconds"]["lab"], found["phases_seconds"]["hand"]
    return [f"{name:<10} lab {lab[name]:7.3f} s   by hand {hand.get(name, 0.0):7.3f} s" for name in lab]


def _medians(boots: list[Boot]) -> dict[str, float]:
    phases = [boot.phases_seconds() for boot in boots]
    return {name: statistics.median(found[name] for found in phases) for name in phases[0]}


@contextlib.contextmanager
def _standing(stack: str) -> Iterator[dict[str, Any]]:
    """The stack's instance; a stack that was already up stays up."""
    before = _is_up(stack)
    if not before:
        stacks.up(stack, "--skip-preview")
    try:
        yield dict(stacks.outputs(stack)["instance"])
    finally:
        if not before:
            stacks.destroy(stack, "--skip-preview")


def _is_up(stack: str) -> bool:
    if stack not in stacks.with_state():
        return False
    try:
        return bool(stacks.outputs(stack))
    except VmlabError:
        return False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.vm", description="A guest's boot against QEMU by hand."
    )
    parser.add_argument("stack", nargs="*", help=f"stacks to measure (default: {' and '.join(STACKS)})")
    parser.add_argument("--pairs", type=int, default=15, help="number of pairs")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="seed of the order")
    parser.add_argument("--json", metavar="FILE", default="", help="write the report to FILE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
