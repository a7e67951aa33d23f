"""Tries how long a Kubernetes takes from nothing, with its programs built.

    python -m bench.cluster [--times 5] [--json FILE]

Two claims: from nothing to a node that is Ready at most 6 s, to the first 200 of the stack `kubernetes` at most 15 s, both as
medians. Each time the cluster is taken down and brought up again, so nothing of anybody's may run in it. Exit code 1 when a
claim does not hold. Needs a quiet machine: it says the load. Left out: compiling, which `vmlab host up` times and
`build.json` keeps; a pod's boot, which the lab measures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from clients.http_probe import first_answer
from host import commands
from lab.deploying import stacks

PART, STACK = "kubernetes", "kubernetes"
READY_SECONDS, ANSWER_SECONDS = 6.0, 15.0
PATIENCE_SECONDS = 30.0


def main() -> int:
    """Measure, print, judge."""
    options = _options()
    _host("up")  # what has to be compiled is compiled before
    ready, answered = [], []
    for _ in range(options.times):
        one, other = from_nothing()
        ready.append(one)
        answered.append(other)
    report: dict[str, Any] = {"load": os.getloadavg()[0]}
    for name, values, limit in (("Ready", ready, READY_SECONDS), ("first 200", answered, ANSWER_SECONDS)):
        median = statistics.median(values)
        kept = median <= limit
        report[name] = {"kept": kept, "median_seconds": median, "at_most_seconds": limit, "seconds": values}
        each = ", ".join(f"{value:.1f}" for value in values)
        print(f"{name:<9} {'kept' if kept else 'NOT KEPT'}  {median:.1f} s, at most {limit:g} ({each})")
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(report[name]["kept"] for name in ("Ready", "first 200")) else 1


def from_nothing() -> tuple[float, float]:
    """Seconds to Ready and to the stack's first 200, from a machine without a cluster; both are gone afterwards."""
    _host("down")
    start = time.monotonic()
    _host("up")
    ready = time.monotonic() - start
    stacks.up(STACK, "--skip-preview")
    try:
        url = stacks.outputs(STACK)["url"]
        deadline = time.monotonic_ns() + int(PATIENCE_SECONDS * 1e9)
        answer = first_answer(url, deadline)
        if answer is None:
            raise SystemExit(f"{url} did not answer within {PATIENCE_SECONDS:g} s")
        return ready, time.monotonic() - start
    finally:
        stacks.destroy(STACK, "--skip-preview")


def _host(verb: str) -> None:
    """What was refused must not be timed: a cluster that somebody's pods keep up would be there at once."""
    code = commands.run(verb, [PART], as_json=False, yes=True)
    if code:
        raise SystemExit(f"host {verb} {PART} ended with {code}; what stands in the way is said above")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.cluster", description="A Kubernetes from nothing, and a stack in it."
    )
    parser.add_argument("--times", type=int, default=5, help="how often")
    parser.add_argument("--json", metavar="FILE", default="", help="write the report there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
