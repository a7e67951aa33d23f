"""The comparison as Markdown: the same rows as in the terminal, to be put into a README or an issue."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lab.comparison import Comparison
from lab.export import cells


def render(comparison: Comparison) -> str:
    """On what guests ran, the table, the verdict, and where it was measured."""
    columns = len(cells.HEADINGS)
    empty = [""] * (columns - 2)
    lines = [_escaped(comparison["accelerator"]), ""] if comparison["accelerator"] else []
    lines += [_line(cells.HEADINGS), _line(["---", *["---:"] * (columns - 1)])]
    lines += [_line([_escaped(text) for text in row]) for row in cells.measured(comparison)]
    lines += [_line([_escaped(name), _escaped(reason), *empty]) for name, reason in cells.missing(comparison)]
    lines += ["", _escaped(comparison["verdict"])]
    for remark in [cells.LEGEND, *cells.remarks(comparison)]:
        lines += ["", _escaped(remark)]
    return "\n".join(lines) + "\n"


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _escaped(text: str) -> str:
    """A text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\|<>*_`\[\]])", r"\\\1", " ".join(text.split()))
