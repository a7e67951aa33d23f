"""The ladder as a picture: what each rung adds, step upon step; then all of it on one axis, from fork and exec to a cluster.

The upper part is the static binary on our own rungs, on a linear axis: the coloured end of a bar is what the rung adds, by
the differences within blocks, and pale where their interval holds 0. The lower part
has both variants as points with their intervals on a logarithmic axis, because four powers of ten lie between its ends.
Out of scope: phases within a boot (`lab/output/pictures/waterfall.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from catalogue import units
from lab.analysis.emulation import MARK
from lab.ladder.figures import Figure, Figures
from lab.output.pictures import axis as axes

_NAMES, _VALUES = 190, 190  # pixels for the names at the left, and for the figures at the right
_ROW, _BAR, _HEAD, _AXIS, _GAP = 24, 15, 30, 30, 22  # heights in pixels
_MORE, _LESS, _BASE = "#0072b2", "#e69f00", "#c9d2db"
_POINTS = {"null": "#0072b2", "service": "#d55e00"}


class _Axis(axes.Axis):
    """Between the names and the figures."""

    def x(self, seconds: float) -> float:
        return _NAMES + (super().x(seconds) - axes.LEFT) * (axes.WIDTH - _NAMES - _VALUES) / axes.WIDTH


def draw(found: Figures) -> str:
    """The picture; empty when nothing was measured."""
    rows = found.rungs
    if not rows:
        return ""
    own = [row for row in found.of("null") if row.adds or row.rung == rows[0].rung]
    body, height = _stairs(own) if len(own) > 1 else ("", 0)
    points, more = _points(rows, height)
    return axes.svg("The isolation ladder", _described(rows), height + more, body + points)


def _stairs(rows: Sequence[Figure]) -> tuple[str, int]:
    """Our own rungs: grey is what was there before, blue what the rung adds, orange what it saves."""
    medians = [row.boot_seconds.median for row in rows]
    axis = _Axis(0.0, max(medians) * 1.04, logarithmic=False)
    parts = [axes.text(axes.LEFT, 18, "What each rung adds to the boot of a static binary", bold=True)]
    parts.append(_grid(axis, _HEAD, _ROW * len(rows)))
    for place, row in enumerate(rows):
        top, median = _HEAD + _ROW * place, medians[place]
        added = row.added_seconds.median if row.added_seconds else 0.0
        before = max(0.0, median - added)
        parts.append(axes.text(axes.LEFT, top + 16, f"+ {row.adds}" if row.adds else row.rung))
        parts.append(_bar(axis, top, 0.0, min(before, median), _BASE))
        color, pale = _MORE if added >= 0 else _LESS, not _shown(row)
        parts.append(_bar(axis, top, min(before, median), max(before, median), color, pale=pale))
        shown = row.added or units.quantity(median, units.SECONDS)
        parts.append(axes.text(axes.WIDTH - axes.RIGHT, top + 16, shown, size=12, anchor="end"))
    return "".join(parts), _HEAD + _ROW * len(rows) + _AXIS + _GAP


def _points(rows: Sequence[Figure], top: int) -> tuple[str, int]:
    names = list(dict.fromkeys(row.rung for row in rows))
    values = [value for row in rows for value in (row.boot_seconds.ci95 or [row.boot_seconds.median])]
    axis = _Axis(_floor(min(values)), max(values) * 1.15, logarithmic=True)
    parts = [axes.text(axes.LEFT, top + 18, "From fork and exec to a cluster (logarithmic)", bold=True)]
    for number, (variant, color) in enumerate(_POINTS.items()):
        x = _NAMES + 300 + number * 110
        parts.append(f"<circle cx='{x}' cy='{top + 14}' r='5' fill='{color}'/>")
        parts.append(axes.text(x + 10, top + 18, variant, size=12.5))
    first = top + _HEAD
    parts.append(_grid(axis, first, _ROW * len(names)))
    for place, name in enumerate(names):
        at = first + _ROW * place
        own = [row for row in rows if row.rung == name]
        marked = own[0].shown + (f" {MARK}" if own[0].emulated else "")
        parts.append(axes.text(axes.LEFT, at + 16, marked, bold=not own[0].adds))
        parts += [_point(axis, at + 12, row) for row in own]
        medians = "  ".join(units.quantity(row.boot_seconds.median, units.SECONDS) for row in own)
        parts.append(axes.text(axes.WIDTH - axes.RIGHT, at + 16, medians, size=12, anchor="end"))
    return "".join(parts), _HEAD + _ROW * len(names) + _AXIS


def _point(axis: axes.Axis, y: float, row: Figure) -> str:
    summary, color = row.boot_seconds, _POINTS.get(row.variant, axes.INK)
    line = ""
    if summary.ci95:
        low, high = (axis.x(value) for value in summary.ci95)
        line = f"<line x1='{low:.1f}' y1='{y}' x2='{high:.1f}' y2='{y}' stroke='{color}' stroke-width='3' opacity='0.45'/>"
    return f"{line}<circle cx='{axis.x(summary.median):.1f}' cy='{y}' r='5' fill='{color}'/>"


def _shown(row: Figure) -> bool:
    """Whether a difference could be shown."""
    interval = row.added_seconds.ci95 if row.added_seconds else None
    return interval is not None and not interval[0] <= 0 <= interval[1]


def _bar(axis: axes.Axis, top: int, start: float, end: float, color: str, *, pale: bool = False) -> str:
    left, right = axis.x(start), min(axis.x(end), axes.WIDTH - _VALUES)
    if right - left < 0.05:
        return ""
    faint = " opacity='0.35'" if pale else ""
    return f"<rect x='{left:.1f}' y='{top + 4}' width='{right - left:.1f}' height='{_BAR}' fill='{color}'{faint}/>"


def _grid(axis: axes.Axis, top: int, height: int) -> str:
    return f"<g transform='translate(0 {top})'>{axes.grid(axis, height)}</g>"


def _floor(seconds: float) -> float:
    return axes.axis_for([seconds, seconds * 1000], seconds).start_seconds


def _described(rows: Sequence[Figure]) -> str:
    return "; ".join(
        f"{row.rung} ({row.variant}): {units.quantity(row.boot_seconds.median, units.SECONDS)}"
        for row in rows
    )
