"""`vmlab compare` and `vmlab report`: what a run's samples say, in the form that was asked for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab import results
from lab.compare import compare as comparison_of
from lab.export import csv_form, json_form, markdown, table


def compare(options: argparse.Namespace) -> int:
    """Print the comparison of one run or of several."""
    runs = [results.load(run) for run in options.run] or [results.latest()]
    form = json_form if options.json else markdown if options.markdown else csv_form if options.csv else table
    sys.stdout.write(form.render(comparison_of(runs)).rstrip("\n") + "\n")
    return 0


def report(options: argparse.Namespace) -> int:
    """Write the report, and say where."""
    run = results.load(options.run) if options.run else results.latest()
    path = Path(options.output) if options.output else run.directory / "report.html"
    _write_report(run, path)
    sys.stdout.write(f"{path}\n")
    return 0


def show(name: str, *, as_json: bool) -> None:
    """After a run: the table, and every other form as a file beside the samples."""
    run = results.load(name)
    comparison = comparison_of([run])
    for file, form in (
        ("comparison.json", json_form),
        ("comparison.md", markdown),
        ("comparison.csv", csv_form),
    ):
        (run.directory / file).write_text(form.render(comparison))
    _write_report(run, run.directory / "report.html")
    form = json_form if as_json else table
    sys.stdout.write(form.render(comparison).rstrip("\n") + "\n")


def _write_report(run: results.RunData, path: Path) -> None:
    from lab import report

    report.write(comparison_of([run]), run, path)
