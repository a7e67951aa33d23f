"""`vmlab compare`: the table of one run, or of several, in the form that was asked for."""

from __future__ import annotations

import argparse
import sys

from lab.analysis.comparison import compare
from lab.measuring import runs
from lab.output import forms


def run(options: argparse.Namespace) -> int:
    """Print it."""
    found = [runs.load(name) for name in options.run] or [runs.latest()]
    chosen = {forms.json: options.json, forms.markdown: options.markdown, forms.csv: options.csv}
    form = next((form for form, asked in chosen.items() if asked), forms.text)
    sys.stdout.write(form(compare(found)).rstrip("\n") + "\n")
    return 0
