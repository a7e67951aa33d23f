"""A common axis of time, linear or logarithmic, and the SVG elements that pictures are made of.

Logarithmic when a linear one would squeeze the shortest bar into less than a twelfth of the longest. Out of scope: interaction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from catalogue import units

WIDTH, LEFT, RIGHT = 1040, 8, 8  # pixels of a picture, and of its margins
_LINEAR_UP_TO = 12
_FINE_DECADES = 2.5  # a shorter logarithmic axis has lines at 2 and 5 as well
FONT = "font-family='system-ui, DejaVu Sans, sans-serif'"
INK, FAINT, GRID = "#1c2430", "#5d6875", "#dfe4ea"


@dataclass(frozen=True)
class Axis:
    """The place of an instant; `start` is 0 on a linear axis and a power of ten on a logarithmic one."""

    start_seconds: float
    end_seconds: float
    logarithmic: bool

    def x(self, seconds: float) -> float:
        """The place of an instant in pixels; what is before the axis is at its start."""
        span = WIDTH - LEFT - RIGHT
        if not self.logarithmic:
            return LEFT + span * seconds / self.end_seconds
        low, high = math.log10(self.start_seconds), math.log10(self.end_seconds)
        return LEFT + span * (math.log10(max(seconds, self.start_seconds)) - low) / (high - low)

    def ticks(self) -> list[float]:
        """Instants with a grid line."""
        if self.logarithmic:
            low, high = round(math.log10(self.start_seconds)), math.log10(self.end_seconds)
            steps = (1, 2, 5) if high - low < _FINE_DECADES else (1,)
            marks = [step * 10.0**power for power in range(low, math.ceil(high) + 1) for step in steps]
            return [mark for mark in marks if mark <= self.end_seconds]
        rough = self.end_seconds / 6
        size = 10 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
        return [step * number for number in range(int(self.end_seconds / step) + 1)]


def axis_for(totals: list[float], smallest: float) -> Axis:
    """An axis on which the longest of `totals` fits and the shortest can be seen; `smallest` is the first instant shown."""
    end = max(totals) * 1.08
    if min(totals) * _LINEAR_UP_TO >= max(totals):
        return Axis(0.0, end, logarithmic=False)
    return Axis(10.0 ** math.floor(math.log10(max(smallest, 1e-5) * 0.8)), end, logarithmic=True)


def grid(axis: Axis, height: int) -> str:
    """Grid lines from the top to the axis at the bottom, with the time below each."""
    parts = []
    for tick in axis.ticks():
        x = axis.x(tick)
        anchor = "start" if x < LEFT + 12 else "end" if x > WIDTH - RIGHT - 20 else "middle"
        parts.append(f"<line x1='{x:.1f}' y1='0' x2='{x:.1f}' y2='{height}' stroke='{GRID}'/>")
        parts.append(text(x, height + 15, _tick(tick), size=11.5, color=FAINT, anchor=anchor))
    return "".join(parts)


def text(
    x: float,
    y: float,
    content: str,
    *,
    size: float = 13,
    color: str = INK,
    anchor: str = "start",
    bold: bool = False,
) -> str:
    """A text, escaped."""
    weight = " font-weight='600'" if bold else ""
    place = f"x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'"
    return f"<text {place} font-size='{size}' fill='{color}'{weight}>{escape(content)}</text>"


def text_width(content: str, size: float) -> float:
    """About how many pixels a text takes, rather too many than too few."""
    return len(content) * size * 0.62


def svg(title: str, description: str, height: int, body: str) -> str:
    """A whole picture; the description is for screen readers."""
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' "
        f"role='img' {FONT}><title>{escape(title)}</title><desc>{escape(description)}</desc>"
        f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>{body}</svg>"
    )


def _tick(seconds: float) -> str:
    number, _, unit = units.quantity(seconds, units.SECONDS).partition(" ")
    return f"{float(number):g} {unit}"
