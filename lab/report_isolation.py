"""The report's sections on isolation: the ladder and the boundaries, where `vmlab ladder` and `vmlab boundaries` left them.

They lie in the run's folder beside its samples, made after it on the same machine. Left out: making them, which takes minutes.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from lab.boundaries import show as boundaries
from lab.ladder import show as ladder
from lab.results import RunData


def sections(run: RunData) -> list[tuple[str, str]]:
    """Headings with their HTML; those that there is nothing for are left out."""
    found = []
    if climbed := _read(run.directory / ladder.FILE):
        source = f"<p class='faint'>Ladder {escape(str(climbed['run']))}.</p>"
        found.append(("The isolation ladder", source + ladder.section(climbed)))
    if seen := boundaries.load(run.directory):
        found.append(("What is kept apart, seen from inside", boundaries.html(seen)))
    return found


def _read(path: Path) -> dict[str, object]:
    try:
        found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
