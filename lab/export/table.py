"""The comparison as a table for the terminal, at most 110 columns wide, plain text: it can be piped and pasted."""

from __future__ import annotations

import textwrap

from lab.comparison import Comparison
from lab.export import cells

WIDTH = 110
_LEAST_NAME = 8


def render(comparison: Comparison) -> str:
    """On what guests ran, the table, the stacks that were not measured, the verdict, and where it was measured."""
    rows = cells.measured(comparison)
    widths = [max(len(row[place]) for row in [cells.HEADINGS, *rows]) for place in range(len(cells.HEADINGS))]
    missing = cells.missing(comparison)
    room = WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1)
    widths[0] = max(_LEAST_NAME, min(room, max(len(row[0]) for row in [cells.HEADINGS, *rows, *missing])))
    lines = _wrapped(comparison["accelerator"])
    lines += [_line(cells.HEADINGS, widths), _line(["─" * width for width in widths], widths)] if rows else []
    lines += [_line(row, widths) for row in rows]
    for name, reason in missing:
        lines += _wrapped(f"{_clip(name, widths[0])}  {reason}", indent=widths[0] + 2)
    lines += ["", *_wrapped(comparison["verdict"]), ""]
    for remark in [cells.LEGEND, *cells.remarks(comparison)]:
        lines += _wrapped(remark)
    return "\n".join(lines) + "\n"


def _line(texts: list[str] | tuple[str, ...], widths: list[int]) -> str:
    """The first column to the left, the others to the right."""
    padded = [text.rjust(width) for text, width in zip(texts[1:], widths[1:], strict=True)]
    return "  ".join([_clip(texts[0], widths[0]), *padded])


def _clip(name: str, width: int) -> str:
    """A name that fits; of a long one the accelerator behind it stays, because a row without it says too much."""
    stack, _, how = name.rpartition(" (")
    room = width - len(how) - 3
    if len(name) <= width:
        return name.ljust(width)
    return f"{stack[:room]}… ({how}" if stack and room >= 3 else name[: width - 1] + "…"


def _wrapped(text: str, indent: int = 0) -> list[str]:
    """Lines of a text; spaces that align its beginning are kept."""
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)
