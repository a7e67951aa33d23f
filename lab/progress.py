"""Progress: one line at a time on standard error; standard output is for results."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """One line."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
