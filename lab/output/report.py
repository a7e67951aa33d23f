"""The report: one HTML file that a newcomer can read, offline, years later.

It contains everything it shows: no script, no font, no picture from elsewhere, and a policy that forbids loading any. Every
text that comes from a run is escaped. Out of scope: PNG files (any browser or vector program makes them from the SVG).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from lab.analysis.shapes import Comparison
from lab.measuring.runs import RunData
from lab.output import cells, tables
from lab.output import report_parts as parts
from lab.output.pictures import strip, waterfall
from machine import files

Sections = Sequence[tuple[str, str]]
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write(comparison: Comparison, run: RunData, path: Path, more: Sections = ()) -> None:
    """Write the report of a run; `more` are sections of other commands: headings with their HTML."""
    files.write(path, render(comparison, run, more))


def render(comparison: Comparison, run: RunData, more: Sections = ()) -> str:
    """The whole page."""
    sections = [
        f"<p class='faint'>Run {escape(run.run)}, started {escape(parts.readable_time(run.started))}. "
        f"On {escape(cells.machine(comparison['host']))}.</p>",
        _accelerator(comparison["accelerator"]),
        f"<p class='verdict'>{escape(comparison['verdict'])}</p>",
        _section("The numbers", parts.numbers(comparison)),
        _waterfall(comparison),
        _strip(comparison, run),
        *(_section(heading, body) for heading, body in more),
        _section("What was equal, and what was not", parts.facts(comparison)),
        _section("All metrics", parts.metrics(comparison)),
        _section("How it was measured", parts.method(run)),
        _section("The machine", parts.host(comparison)),
        _section("Raw data", parts.raw_data(run)),
    ]
    return page("vmlab: the same service, deployed in different ways", "\n".join(filter(None, sections)))


def page(title: str, body: str) -> str:
    """A page with the report's style and policy."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>\n{style}</style></head>\n<body><main>\n<h1>{title}</h1>\n"
        f"{body}\n</main></body></html>\n"
    )


def _accelerator(line: str) -> str:
    """The accelerator of the guests; empty where there was none."""
    return f"<p>{escape(line[:1].upper() + line[1:])}.</p>" if line else ""


def _section(heading: str, body: str) -> str:
    return f"<h2>{heading}</h2>\n{body}" if body else ""


def _waterfall(comparison: Comparison) -> str:
    names = {label: cells.name(label, s) for label, s in comparison["substrates"].items()}
    picture = waterfall.draw(comparison, names)
    caption = tables.note(
        "From the create call (0) to the first valid answer; each part is the median time since the previous "
        "milestone. Beside the name: the median of the whole boot, and its 95 % interval."
    )
    return _section(
        "Where the time goes", picture and f"{caption}<figure>{picture}</figure>{parts.phases(comparison)}"
    )


def _strip(comparison: Comparison, run: RunData) -> str:
    boots = {
        cells.name(label, substrate): parts.boots(run, label)
        for label, substrate in comparison["substrates"].items()
        if substrate["available"]
    }
    picture = strip.draw(boots)
    caption = tables.note(
        "Each point is a boot; in each row the first is at the top and the last at the bottom. The line is "
        "the median, the band its 95 % interval. A ring marks an outlier, which is shown and counted, never removed."
    )
    return _section("Every boot", picture and f"{caption}<figure>{picture}</figure>")
