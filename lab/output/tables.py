"""The one renderer of tables: rows of texts for the terminal, as Markdown, as HTML.

The first column is a name, to the left; in tables of numbers the others are to the right. Out of scope: what is in the cells.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from html import escape

WIDTH = 110  # columns of a terminal
Row = Sequence[str]
_LEAST_NAME = 8


def text(headings: Row, rows: Sequence[Row], *, name_width: int = 0) -> list[str]:
    """Lines for the terminal. `name_width` is what the first column should have; a long name is cut to fit WIDTH."""
    widths = [max(len(row[place]) for row in [headings, *rows]) for place in range(len(headings))]
    room = WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1)
    widths[0] = max(_LEAST_NAME, min(room, max(widths[0], name_width)))
    return [_line(row, widths) for row in (headings, ["─" * width for width in widths], *rows)]


def wrapped(content: str, indent: int = 0) -> list[str]:
    """Lines of a text; spaces that align its beginning are kept."""
    return textwrap.wrap(content, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)


def clipped(name: str, width: int) -> str:
    """A name that fits; of a long one the accelerator behind it stays, because a row without it claims too much."""
    stack, _, how = name.rpartition(" (")
    room = width - len(how) - 3
    if len(name) <= width:
        return name.ljust(width)
    return f"{stack[:room]}… ({how}" if stack and room >= 3 else name[: width - 1] + "…"


def markdown(headings: Row, rows: Sequence[Row], *, numbers: bool = True) -> list[str]:
    """Lines of a Markdown table; cells are escaped."""
    align = "---:" if numbers else "---"
    head = [plain(heading) for heading in headings], ["---", *[align] * (len(headings) - 1)]
    return [f"| {' | '.join(row)} |" for row in (*head, *([plain(cell) for cell in row] for row in rows))]


def plain(content: str) -> str:
    """A text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\|<>*_`\[\]])", r"\\\1", " ".join(content.split()))


def html(kind: str, headings: Row, rows: Sequence[Row]) -> str:
    """A table of the CSS class `kind` (numbers, facts); cells are escaped."""
    return html_of(kind, headings, [html_row(row) for row in rows])


def html_row(cells: Row) -> str:
    """A row of escaped cells."""
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def html_of(kind: str, headings: Row, body: Sequence[str]) -> str:
    """The same with rows that are HTML already."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    table = f"<table class='{kind}'><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    return f"<div class='scroll'>{table}</div>"


def note(content: str) -> str:
    """A faint paragraph of HTML."""
    return f"<p class='faint'>{escape(content)}</p>"


def _line(cells: Row, widths: Sequence[int]) -> str:
    padded = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([clipped(cells[0], widths[0]), *padded])
