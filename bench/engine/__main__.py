"""Measures the embedded engine, and the official CLI beside it where `pulumi` is on PATH.

    python -m bench.engine [--runs 7] [--long-runs 3] [--seed N] [--json FILE]

All runs are shuffled together, so that a slow minute of the machine affects every engine. Numbers are medians, minima and
maxima; only the ratios within one report are comparable. Exit code 1 when a median of the embedded engine exceeds
its limit. Out of scope: Docker, whose time is not the engine's.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.engine.cases import FLOOR, HUNDRED, LIMITS, NOTHING, Engine, engines, floor

Seconds = dict[str, dict[str, list[float]]]  # case -> engine -> runs


def main() -> int:
    """Measure, print, judge."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="vmlab-bench-") as folder:
        seconds = measure(engines(Path(folder)), options.runs, options.long_runs, options.seed)
    report = {"host": host(), "versions": versions(), "seed": options.seed, "cases": summary(seconds)}
    report["limits"] = {
        case: {"seconds": limit, "kept": kept(seconds, case)} for case, limit in LIMITS.items()
    }
    show(report)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(kept(seconds, case) for case in LIMITS) else 1


def measure(found: list[Engine], runs: int, long_runs: int, seed: int) -> Seconds:
    """Every case of every engine, in shuffled order; the first update of each is not counted."""
    for engine in found:
        engine.folder.mkdir()
        engine.prepare()
    todo: list[tuple[str, Engine | None]] = [(FLOOR, None)] * runs
    todo += [(NOTHING, engine) for engine in found] * runs
    todo += [(HUNDRED, engine) for engine in found] * long_runs
    random.Random(seed).shuffle(todo)
    seconds: Seconds = {}
    for case, one in todo:
        taken = one.run(case) if one else floor()
        seconds.setdefault(case, {}).setdefault(one.name if one else "python", []).append(taken)
    return seconds


def summary(seconds: Seconds) -> dict[str, dict[str, dict[str, Any]]]:
    """Median, minimum, maximum and every run; and the ratio to the embedded engine's median."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for case, by_engine in sorted(seconds.items()):
        base = statistics.median(by_engine.get("embedded") or by_engine["python"])
        for engine, runs in sorted(by_engine.items()):
            median = statistics.median(runs)
            found.setdefault(case, {})[engine] = {
                "median": round(median, 3),
                "min": round(min(runs), 3),
                "max": round(max(runs), 3),
                "runs": [round(run, 3) for run in runs],
                "ratio": round(median / base, 2),
            }
    return found


def kept(seconds: Seconds, case: str) -> bool:
    """Whether the embedded engine's median is within its limit."""
    return statistics.median(seconds[case]["embedded"]) <= LIMITS[case]


def host() -> dict[str, Any]:
    """The machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    return {
        "system": platform.platform(),
        "processor": model,
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def versions() -> dict[str, str]:
    """The versions of the engines and of the SDK."""
    found = {"python": platform.python_version(), "sdk": importlib.metadata.version("pulumi")}
    pulumi = shutil.which("pulumi")
    if pulumi:
        said = subprocess.run(
            [pulumi, "version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
        found["pulumi"] = said.strip() or "a development build, which names no version"
    else:
        found["pulumi"] = "not on PATH, so not compared"
    return found


def show(report: dict[str, Any]) -> None:
    """The table."""
    print(f"host: {report['host']['processors']} x {report['host']['processor']}, {report['host']['system']}")
    print("versions: " + ", ".join(f"{name} {version}" for name, version in report["versions"].items()))
    print(f"seconds of whole processes, runs shuffled with seed {report['seed']}\n")
    print(f"{'case':<30}{'engine':<10}{'median':>8}{'min':>8}{'max':>8}{'runs':>6}{'ratio':>7}  limit")
    for case, by_engine in report["cases"].items():
        for engine, row in by_engine.items():
            limit = report["limits"].get(case) if engine == "embedded" else None
            verdict = f"{limit['seconds']} {'kept' if limit['kept'] else 'EXCEEDED'}" if limit else ""
            numbers = "".join(f"{row[key]:>8.2f}" for key in ("median", "min", "max"))
            print(f"{case:<30}{engine:<10}{numbers}{len(row['runs']):>6}{row['ratio']:>7.2f}  {verdict}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.engine", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--runs", type=int, default=9, help="runs of the short cases")
    parser.add_argument("--long-runs", type=int, default=5, help="runs of the long case")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="seed of the order")
    parser.add_argument("--json", default="", metavar="FILE", help="also write the report to FILE")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
