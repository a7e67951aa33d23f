"""The report: one HTML file that a stranger can read, offline, years later.

It holds everything it shows: no script, no font, no picture from elsewhere, and a policy that forbids loading any. Every text
that comes from a run is escaped. Left out: PNG files (any browser or vector program makes them of the SVG).
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from lab import report_isolation
from lab import report_parts as parts
from lab.comparison import Comparison
from lab.export import cells
from lab.picture import strip, waterfall
from lab.results import RunData

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write(comparison: Comparison, run: RunData, path: Path) -> None:
    """Write the report of a run; a reader of an older one never sees half of this one."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(render(comparison, run), encoding="utf-8")
    fresh.replace(path)


def render(comparison: Comparison, run: RunData) -> str:
    """The whole page."""
    title = "vmlab: the same service, deployed in different ways"
    sections = [
        f"<h1>{title}</h1>",
        f"<p class='faint'>Run {escape(run.run)}, started {escape(parts.readable_time(run.started))}. "
        f"{escape(parts.machine(comparison))}</p>",
        _accelerator(comparison["accelerator"]),
        f"<p class='verdict'>{escape(comparison['verdict'])}</p>",
        _section("The numbers", parts.numbers(comparison)),
        _waterfall(comparison),
        _strip(comparison, run),
        *(_section(heading, body) for heading, body in report_isolation.sections(run)),
        _section("What was equal, and what was not", parts.facts(comparison)),
        _section("Everything that was measured", parts.metrics(comparison)),
        _section("How it was measured", parts.method(run)),
        _section("The machine", parts.host(comparison)),
        _section("Raw data", parts.raw_data(run)),
    ]
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>\n{style}</style></head>\n<body><main>\n"
        + "\n".join(section for section in sections if section)
        + "\n</main></body></html>\n"
    )


def _accelerator(line: str) -> str:
    """On what the guests ran; nothing where there was none."""
    return f"<p>{escape(line[:1].upper() + line[1:])}.</p>" if line else ""


def _section(heading: str, body: str) -> str:
    return f"<h2>{heading}</h2>\n{body}" if body else ""


def _waterfall(comparison: Comparison) -> str:
    names = {label: cells.name(label, s) for label, s in comparison["substrates"].items()}
    picture = waterfall.draw(comparison, names)
    caption = (
        "<p class='faint'>From the create call (0) to the first valid answer; each part is the median time since the "
        "milestone before. Beside the name: the median of the whole boot, and its 95 % interval.</p>"
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
    caption = (
        "<p class='faint'>Each point is a boot; in each row the first is at the top and the last at the bottom. The line is "
        "the median, the band its 95 % interval. A ring marks an outlier: it is shown and counted, never removed.</p>"
    )
    return _section("Every single boot", picture and f"{caption}<figure>{picture}</figure>")
