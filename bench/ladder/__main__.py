"""Compares the rungs with a C program that makes the same system calls (by_hand.c).

    python -m bench.ladder [--blocks 100] [--seed N] [--json FILE]

Two claims, of the static binary and of medians of the same run: all namespaces except the network, pivot_root and cgroup
limits together take at most 1.5 times as long as by hand; they add at most 3 ms to fork and exec (also by hand). The
members of a block are shuffled. Exit code 1 when a claim does not hold. Out of scope: machines without cgroup version 1,
which the program by hand does not support.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.ladder.by_hand import ByHand
from lab.analysis.stats import median_interval, ratio_interval
from substrates import namespaces
from substrates.contract import Request, Slot
from substrates.inputs import artifact

RATIO, ADDED_SECONDS, PORT, SLOT = 1.5, 0.003, 18290, 90
RUNGS = ("mount", "chroot", "pivot_root", "pid", "uts", "ipc", "user", "cgroup", "limits")
Boots = dict[str, Callable[[], float]]


def main() -> int:
    """Measure, print, judge."""
    options = _options()
    order = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="vmlab-by-hand-", dir="/var/tmp"))
    folder.chmod(0o755)  # the service's user needs to traverse it
    hand = ByHand.compiled(folder)
    try:
        found = _measure(_boots(hand), options.blocks, order)
    finally:
        hand.remove()
        namespaces.remove_copies()
    report = _report(found, options.seed)
    for line in report["text"]:
        print(line)
    if options.json:
        Path(options.json).write_text(json.dumps(report | {"samples": found}, indent=2) + "\n")
    return 0 if report["kept"] else 1


def _boots(hand: ByHand) -> Boots:
    whole = namespaces.for_ladder(artifact.load(), RUNGS, "null")
    none = namespaces.for_ladder(artifact.load(), (), "null")

    def ours(definition: namespaces.Definition) -> float:
        request = Request("/", secrets.token_hex(8), echoed=True)
        boot = namespaces.boot(definition, Slot(SLOT, PORT), request)
        namespaces.destroy(boot.copy)
        return boot.seconds

    return {
        "fork+exec by hand": lambda: hand.boot_seconds(whole, PORT, bare=True),
        "fork+exec": lambda: ours(none),
        "rungs by hand": lambda: hand.boot_seconds(whole, PORT, bare=False),
        "rungs": lambda: ours(whole),
    }


def _measure(boots: Boots, blocks: int, order: random.Random) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in boots}
    for block in range(-2, blocks):  # the first two are a warm-up
        for name in order.sample(list(boots), len(boots)):
            seconds = boots[name]()
            if block >= 0:
                found[name].append(seconds)
    return found


def _report(found: dict[str, list[float]], seed: int) -> dict[str, Any]:
    text = []
    for name, seconds in found.items():
        interval = median_interval(seconds)
        spread = (
            f"[{interval[0] * 1e3:.2f}, {interval[1] * 1e3:.2f}]" if interval else "(too few for an interval)"
        )
        text.append(
            f"{name:<18} {statistics.median(seconds) * 1e3:6.2f} ms {spread}, least {min(seconds) * 1e3:.2f}"
        )
    ratio = statistics.median(found["rungs"]) / statistics.median(found["rungs by hand"])
    both = [dict(enumerate(found[name])) for name in ("rungs", "rungs by hand")]
    between = ratio_interval(both[0], both[1], str(seed))
    added = statistics.median(found["rungs"]) - statistics.median(found["fork+exec by hand"])
    span = f" [{between[0]:.2f}, {between[1]:.2f}]" if between else ""
    text.append(
        f"{'kept' if ratio <= RATIO else 'NOT KEPT'}  {ratio:.2f}{span} times by hand; at most {RATIO}"
    )
    within = "kept" if added <= ADDED_SECONDS else "NOT KEPT"
    text.append(f"{within}  {added * 1e3:.2f} ms over fork and exec; at most {ADDED_SECONDS * 1e3:g}")
    kept = ratio <= RATIO and added <= ADDED_SECONDS
    return {
        "text": text,
        "ratio": ratio,
        "added_seconds": added,
        "kept": kept,
        "load": os.getloadavg()[0],
        "seed": seed,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.ladder", description=__doc__)
    parser.add_argument("--blocks", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
