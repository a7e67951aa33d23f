"""Checks the accuracy of the lab's boot measurements.

    python -m bench.boot [--pairs 25] [--seed N] [--json FILE]

Three claims: a boot as the lab measures it takes at most 1.05 times as long as the same `docker run -d` by hand (ratio of
medians); a delay of 20 ms added to the service is measured within 1 ms; the probe detects a listener within 0.5 ms. The two
members of each pair run in shuffled order. Creates the stacks `process` and `docker`, and destroys them again. Exit
code 1 when a claim does not hold. Out of scope: absolute numbers, which depend on the machine and its load.
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
import time
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

from bench.boot import by_hand, known
from lab.analysis.stats import ratio_interval
from lab.deploying import stacks
from machine.addresses import FIRST_COPY_PORT
from substrates import process
from substrates.contract import Request, Slot
from substrates.docker import substrate as docker

RATIO, DELAY_SECONDS, OFF_SECONDS, RESOLUTION_SECONDS = 1.05, 0.02, 0.001, 0.0005
Pairs = tuple[dict[Hashable, float], dict[Hashable, float]]


def main() -> int:
    """Measure, print, judge."""
    options = _options()
    order = random.Random(options.seed)
    with _up("process") as bare, _up("docker") as container:
        report = {
            "seed": options.seed,
            "load": os.getloadavg()[0],
            "docker": against_docker_run(container, options.pairs, order, options.seed),
            "delay": known_delay(bare, options.pairs, order),
            "probe": resolution(options.pairs),
        }
    for name in ("docker", "delay", "probe"):
        print(f"{name:<7} {'kept' if report[name]['kept'] else 'NOT KEPT'}  {report[name]['text']}")
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(report[name]["kept"] for name in ("docker", "delay", "probe")) else 1


def against_docker_run(
    instance: dict[str, Any], pairs: int, order: random.Random, seed: int
) -> dict[str, Any]:
    """The ratio of the lab's boot to the one by hand."""
    definition, flags = docker.definition(instance), by_hand.flags(instance)
    inside = int(definition.port.partition("/")[0])

    def ours(nonce: str) -> float:
        boot = docker.boot(
            definition, Slot(91, FIRST_COPY_PORT + 91), Request(instance["path"], nonce, echoed=True)
        )
        docker.destroy(boot.copy)
        return boot.seconds

    def theirs(nonce: str) -> float:
        return by_hand.boot_seconds(
            flags, Slot(92, FIRST_COPY_PORT + 92), Request(instance["path"], nonce, echoed=True), inside
        )

    lab, hand = interleaved(ours, theirs, pairs, order)
    medians = statistics.median(lab.values()), statistics.median(hand.values())
    ratio, interval = medians[0] / medians[1], ratio_interval(lab, hand, f"{seed}/by hand")
    low, high = interval or (ratio, ratio)
    text = (
        f"lab {medians[0] * 1e3:.1f} ms, docker run {medians[1] * 1e3:.1f} ms: "
        f"ratio {ratio:.3f} ({low:.3f} to {high:.3f}), at most {RATIO}"
    )
    return {"kept": ratio <= RATIO, "text": text, "ratio": ratio, "ci95": [low, high], "n": pairs}


def known_delay(instance: dict[str, Any], pairs: int, order: random.Random) -> dict[str, Any]:
    """The median difference between a delayed boot and the other boot of its pair."""
    definition = process.definition(instance)
    slow, quick = known.slowed(definition, DELAY_SECONDS), known.slowed(definition, 0)
    late, soon = interleaved(
        lambda nonce: known.boot_seconds(slow, nonce, instance["path"]),
        lambda nonce: known.boot_seconds(quick, nonce, instance["path"]),
        2 * pairs,
        order,
    )
    found = statistics.median(late[pair] - soon[pair] for pair in late)
    text = f"{DELAY_SECONDS * 1e3:.0f} ms were measured as {found * 1e3:.2f} ms, {2 * pairs} pairs"
    return {"kept": abs(found - DELAY_SECONDS) <= OFF_SECONDS, "text": text, "seconds": found, "n": 2 * pairs}


def resolution(count: int) -> dict[str, Any]:
    """The delay of the probe."""
    late = sorted(known.lateness_seconds() for _ in range(count))
    middle = statistics.median(late)
    text = f"late by {middle * 1e6:.0f} µs in the median, {late[-1] * 1e6:.0f} µs at most, of {count}"
    return {"kept": middle <= RESOLUTION_SECONDS, "text": text, "seconds": middle, "n": count}


def interleaved(
    one: Callable[[str], float], other: Callable[[str], float], pairs: int, order: random.Random
) -> Pairs:
    """Each once in a pair, in shuffled order; the first pair is a warm-up."""
    found: Pairs = ({}, {})
    for pair in range(-1, pairs):
        for which in order.sample((0, 1), 2):
            seconds = (one, other)[which](secrets.token_hex(8))
            if pair >= 0:
                found[which][pair] = seconds
            time.sleep(0.05)
    return found


@contextlib.contextmanager
def _up(stack: str) -> Iterator[dict[str, Any]]:
    """The stack's instance; a stack that was already up stays up."""
    before = stack in stacks.with_state() and _instance(stack)
    if not before:
        stacks.up(stack, "--skip-preview")
    try:
        instance = stacks.outputs(stack)["instance"]
        sys.stderr.write(f"{stack}: {instance}\n")
        yield dict(instance)
    finally:
        if not before:
            stacks.destroy(stack, "--skip-preview")


def _instance(stack: str) -> bool:
    from machine.errors import VmlabError

    try:
        return bool(stacks.outputs(stack))
    except VmlabError:
        return False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.boot", description="Tries the lab's measuring of boots."
    )
    parser.add_argument("--pairs", type=int, default=25, help="number of pairs; twice as many for the delay")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="seed of the order")
    parser.add_argument("--json", metavar="FILE", default="", help="write the report to FILE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
