"""Measures the cold start of the built-in Kubernetes, with its programs already built.

    python -m bench.cluster [--times 5] [--json FILE]

Two claims, of medians: a cold start takes at most 6 s until the node is Ready, and at most 15 s until the first 200 of the
stack `kubernetes`. The cluster is stopped and started for each measurement, so other workloads must not run in it. Exit code 1
when a claim does not hold. Requires an idle machine; the load is printed. Out of scope: compiling, which `vmlab host up` times
and `build.json` records; a pod's boot, which the lab measures.
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
from host.commands import verbs
from lab.deploying import stacks

PART, STACK = "kubernetes", "kubernetes"
READY_SECONDS, ANSWER_SECONDS = 6.0, 15.0
PATIENCE_SECONDS = 30.0


def main() -> int:
    """Measure, print, judge."""
    options = _options()
    _host("up")  # compiles what is missing, outside the measurement
    ready, answered = [], []
    for _ in range(options.times):
        one, other = cold_start()
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


def cold_start() -> tuple[float, float]:
    """Seconds to Ready and to the stack's first 200, from a machine without a cluster; both are removed afterwards."""
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
    """A refused command must not be timed: a cluster that other pods keep up would be Ready immediately."""
    code = verbs.run(verb, [PART], as_json=False, yes=True)
    if code:
        raise SystemExit(f"host {verb} {PART} exited with {code}; the reason is printed above")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.cluster",
        description="Cold start of the built-in Kubernetes and of a stack in it.",
    )
    parser.add_argument("--times", type=int, default=5, help="number of measurements")
    parser.add_argument("--json", metavar="FILE", default="", help="write the report to FILE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
