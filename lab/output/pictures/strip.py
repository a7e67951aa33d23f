"""The strip plot: a point for every boot, so that each median can be checked.

Within a stack's row the first boot is at the top and the last at the bottom, so a drift of the machine is visible. The
band is the 95 % interval of the median; a ring marks an outlier, which counts like any other.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from catalogue import units
from lab.analysis import stats
from lab.output.pictures import axis as axes

_ROW, _PLOT, _TOP, _BOTTOM = 86, 54, 4, 24
_POINT, _MEDIAN = "#0072b2", "#b3261e"


def draw(boots: Mapping[str, Sequence[float]]) -> str:
    """The picture of each stack's boots in their order; empty when there are none."""
    boots = {name: values for name, values in boots.items() if values}
    if not boots:
        return ""
    every = [value for values in boots.values() for value in values]
    axis = axes.axis_for(every, min(every))
    bottom = _TOP + _ROW * len(boots)
    body = [axes.grid(axis, bottom)]
    for place, (name, values) in enumerate(boots.items()):
        body.append(_row(axis, _TOP + _ROW * place, name, values))
    if axis.logarithmic:
        note = "logarithmic axis: equal distances are equal ratios"
        body.append(axes.text(axes.LEFT, bottom + 34, note, size=11.5, color=axes.FAINT))
    described = "; ".join(f"{name}: {len(values)} boots" for name, values in boots.items())
    return axes.svg(
        "Every boot", described, bottom + (_BOTTOM + 20 if axis.logarithmic else _BOTTOM), "".join(body)
    )


def _row(axis: axes.Axis, top: int, name: str, values: Sequence[float]) -> str:
    far = set(stats.outliers(values))
    marked = f", {len(far)} outlier{'s' if len(far) > 1 else ''}" if far else ""
    title = f"{name} · n = {len(values)}{marked}"
    parts = [axes.text(axes.LEFT, top + 17, title, bold=True), _median(axis, top + 24, values)]
    for place, value in enumerate(values):
        y = top + 28 + (_PLOT - 8) * (place + 0.5) / len(values)
        look = (
            f"fill='none' stroke='{_POINT}' stroke-width='1.6'"
            if place in far
            else f"fill='{_POINT}' fill-opacity='0.7'"
        )
        hint = f"<title>boot {place + 1}: {units.quantity(value, units.SECONDS)}</title>"
        parts.append(
            f"<circle cx='{axis.x(value):.1f}' cy='{y:.1f}' r='{4.5 if place in far else 3.2}' {look}>{hint}</circle>"
        )
    return "".join(parts)


def _median(axis: axes.Axis, top: int, values: Sequence[float]) -> str:
    """The median as a line, and its interval as a band where there is one."""
    x = axis.x(statistics.median(values))
    line = f"<line x1='{x:.1f}' y1='{top}' x2='{x:.1f}' y2='{top + _PLOT}' stroke='{_MEDIAN}' stroke-width='1.6'/>"
    interval = stats.median_interval(values)
    if interval is None:
        return line
    low, high = axis.x(interval[0]), axis.x(interval[1])
    place = f"x='{low:.1f}' y='{top}' width='{max(high - low, 1):.1f}' height='{_PLOT}'"
    return f"<rect {place} fill='{_MEDIAN}' fill-opacity='0.14'/>{line}"
