"""`vmlab report`: one offline HTML file of a run, with the ladder and the boundaries that lie in its folder.

Those were made after the run on the same machine, by `vmlab ladder` and `vmlab boundaries`. Out of scope: making them, which
takes minutes.
"""

from __future__ import annotations

import argparse
import sys
from html import escape
from pathlib import Path

from lab.analysis.comparison import compare
from lab.analysis.shapes import Comparison
from lab.boundaries import table as boundaries
from lab.ladder import figures
from lab.ladder import table as ladder
from lab.measuring import runs
from lab.measuring.runs import RunData
from lab.output import forms, report

FILE = "report.html"


def run(options: argparse.Namespace) -> int:
    """Write the report, and print where."""
    found = runs.load(options.run) if options.run else runs.latest()
    path = Path(options.output) if options.output else found.directory / FILE
    report.write(compare([found]), found, path, sections(found))
    sys.stdout.write(f"{path}\n")
    return 0


def keep_and_show(name: str, *, as_json: bool) -> None:
    """After a run: every form as a file beside the samples, and one on standard output. The comparison is made once."""
    found = runs.load(name)
    comparison: Comparison = compare([found])
    texts = {"json": forms.json(comparison), "md": forms.markdown(comparison), "csv": forms.csv(comparison)}
    for suffix, text in texts.items():
        (found.directory / f"comparison.{suffix}").write_text(text, encoding="utf-8")
    report.write(comparison, found, found.directory / FILE, sections(found))
    sys.stdout.write((texts["json"] if as_json else forms.text(comparison)).rstrip("\n") + "\n")


def sections(run: RunData) -> list[tuple[str, str]]:
    """Headings with their HTML, of what lies in the run's folder and can be read."""
    found = []
    if climbed := figures.load(run.directory):
        source = f"<p class='faint'>Ladder {escape(climbed.run)}.</p>"
        found.append(("The isolation ladder", source + ladder.section(climbed)))
    if seen := boundaries.load(run.directory):
        found.append(("What is isolated, seen from inside", boundaries.html(seen)))
    return found
