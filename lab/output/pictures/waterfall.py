"""The waterfall: a bar for each stack, from the create call to the first valid answer, split into the phases of the boot.

The axis is linear and common, so that a part twice as wide took twice as long. Bars too short for it are drawn again below,
enlarged, on a common linear axis of their own: a logarithmic one would show the first phase of every boot as its longest.
Out of scope: the spread of single boots (`lab/output/pictures/strip.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from catalogue import metrics, milestones, units
from lab.analysis.shapes import Comparison, metric
from lab.output.pictures import axis as axes

Bars = Mapping[str, Mapping[str, float]]
_DARK = {"#0072b2", "#d55e00", "#009e73"}
_OTHER = "#8a6d3b"
_ROW, _BAR, _LEGEND, _HEADING, _AXIS = 56, 26, 32, 26, 36  # heights in pixels
_SHORT = 12  # a bar below a twelfth of the longest is drawn again, enlarged


def draw(comparison: Comparison, names: Mapping[str, str]) -> str:
    """The picture; empty when no stack has phases."""
    bars: Bars = {
        label: {phase: seconds for phase, seconds in substrate["phases_seconds"].items() if seconds > 0}
        for label, substrate in comparison["substrates"].items()
        if sum(substrate.get("phases_seconds", {}).values()) > 0
    }
    if not bars:
        return ""
    body, height = [legend(_used(bars))], _LEGEND
    for panel in _panels(bars):
        enlarged = _longest(bars) if len(panel) < len(bars) else 0.0
        body.append(_panel(height, panel, comparison, names, enlarged=enlarged))
        height += _ROW * len(panel) + _AXIS + (_HEADING if enlarged else 0)
    return axes.svg("Where the time of a boot goes", _described(bars, names), height, "".join(body))


def paint(phase: str) -> str:
    """The colour of a phase."""
    row = milestones.SHOWN.get(phase)
    return row.colour if row else _OTHER


def legend(phases: list[str]) -> str:
    """A coloured square and a name for each phase, in one line."""
    parts, x = [], float(axes.LEFT)
    for phase in phases:
        parts.append(
            f"<rect x='{x:.1f}' y='4' width='13' height='13' rx='2' fill='{paint(phase)}' stroke='#00000033'/>"
        )
        parts.append(axes.text(x + 18, 15, phase, size=12.5))
        x += 18 + axes.text_width(phase, 12.5) + 16
    return "".join(parts)


def _panels(bars: Bars) -> list[Bars]:
    """All bars; then those too short to be read beside the longest; and so on."""
    panels = [bars]
    while short := {n: p for n, p in panels[-1].items() if sum(p.values()) * _SHORT < _longest(panels[-1])}:
        panels.append(short)
    return panels


def _panel(top: int, bars: Bars, comparison: Comparison, names: Mapping[str, str], *, enlarged: float) -> str:
    """Bars with their axis; `enlarged` is the longest bar of all, to state how much larger these are drawn."""
    axis = axes.Axis(0.0, _longest(bars) * 1.04, logarithmic=False)
    parts = []
    if enlarged:
        title = f"the short ones again, enlarged {enlarged / _longest(bars):.0f} times"
        parts.append(axes.text(axes.LEFT, top + 14, title, size=12.5, color=axes.FAINT))
        top += _HEADING
    parts.append(f"<g transform='translate(0 {top})'>{axes.grid(axis, _ROW * len(bars))}</g>")
    for place, (label, phases) in enumerate(bars.items()):
        boot = metric(comparison["substrates"][label], metrics.BOOT)
        total = units.with_interval(boot["median"], boot["ci95"], units.SECONDS)
        parts.append(_row(axis, top + _ROW * place, f"{names[label]} · {total}", phases))
    return "".join(parts)


def _longest(bars: Bars) -> float:
    return max(sum(phases.values()) for phases in bars.values())


def _row(axis: axes.Axis, top: int, title: str, phases: Mapping[str, float]) -> str:
    parts = [axes.text(axes.LEFT, top + 17, title, bold=True)]
    at = 0.0
    for phase, seconds in phases.items():
        start, at = axis.x(at), at + seconds
        width = axis.x(at) - start
        hint = f"<title>{escape(phase)}: {units.quantity(seconds, units.SECONDS)}</title>"
        box = f"x='{start:.1f}' y='{top + 24}' width='{max(width, 0.8):.1f}' height='{_BAR}'"
        parts.append(f"<rect {box} fill='{paint(phase)}' stroke='#ffffff' stroke-width='0.8'>{hint}</rect>")
        parts.append(_inside(start, width, top + 24 + 17, phase, seconds))
    return "".join(parts)


def _inside(start: float, width: float, y: float, phase: str, seconds: float) -> str:
    """The phase and its time where they fit into the part, or its time alone, or nothing."""
    value = units.quantity(seconds, units.SECONDS)
    color = "#ffffff" if paint(phase) in _DARK else axes.INK
    for content in (f"{phase} {value}", value):
        if axes.text_width(content, 11.5) + 8 <= width:
            return axes.text(start + width / 2, y, content, size=11.5, color=color, anchor="middle")
    return ""


def _used(bars: Bars) -> list[str]:
    return milestones.in_order([phase for phases in bars.values() for phase in phases])


def _described(bars: Bars, names: Mapping[str, str]) -> str:
    return "; ".join(
        f"{names[label]}: "
        + ", ".join(f"{phase} {units.quantity(value, units.SECONDS)}" for phase, value in phases.items())
        for label, phases in bars.items()
    )
