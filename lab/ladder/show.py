"""The ladder as a table for the terminal, and as one offline page with its picture.

Left out: other forms; `--json` has every figure.
"""

from __future__ import annotations

import textwrap
from html import escape
from pathlib import Path
from typing import Any

from lab import units
from lab.emulation import EMULATED, MARK
from lab.ladder.figures import Figure, of
from lab.ladder.steps import VARIANTS
from lab.picture import staircase

FILE = "ladder.json"
WIDTH = 110
METHOD = (
    "Every boot is a fresh copy, timed from the create call to the first valid answer. Each block boots every step (our own "
    "rungs 5 times, of which the median counts), in an order shuffled with the seed. A time is the median of the blocks with "
    "its 95 % interval by order statistics; what a rung adds is the median of the differences within a block, and where its "
    "interval holds 0, no difference is shown. "
    "null is a static binary: what the substrate alone takes. service is the lab's service, with its interpreter."
)
# What a rung adds to the service is in the JSON: an interpreter's start varies by more than that.
_HEADINGS = ("step", "null: boot (95 %)", "adds (95 %)", "service: boot (95 %)", "× fork+exec (95 %)")


def text(found: dict[str, Any]) -> str:
    """For the terminal, at most 110 columns wide."""
    rows = [_HEADINGS, *_rows(found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADINGS))]
    lines = [_line(rows[0], widths), _line(["─" * width for width in widths], widths)]
    lines += [_line(row, widths) for row in rows[1:]]
    for name, reason in missing(found):
        lines += textwrap.wrap(f"{name}  {reason}", WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    note = f"{METHOD} Seed {found['seed']}. {emulated(found)}"
    return "\n".join([*lines, "", *textwrap.wrap(note, WIDTH, break_on_hyphens=False)]) + "\n"


def emulated(found: dict[str, Any]) -> str:
    """What the mark means, where a row has it."""
    if not any(_emulated(row) for row in found["rungs"]):
        return ""
    return f"{MARK} ran under TCG (software emulation): its times say nothing about KVM's."


def missing(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The steps that were not taken, and why; the two variants of one as one."""
    told: dict[tuple[str, str], list[str]] = {}
    for gap in found["not_measured"]:
        fix = f"; {gap['fix']}" if gap["fix"] else ""
        told.setdefault((gap["rung"], f"{gap['reason']}{fix}"), []).append(gap["variant"])
    several = {row["rung"] for row in found["rungs"]}
    return [
        (f"{name} ({variants[0]})" if name in several else name, f"not measured, because {reason}")
        for (name, reason), variants in told.items()
    ]


def section(found: dict[str, Any]) -> str:
    """The picture and its tables as HTML."""
    gives = [_gives(row) for row in of(found, "service") or of(found, "null") if row["adds"]]
    notes = "".join(f"<p class='faint'>{escape(f'{n}: {reason}')}</p>" for n, reason in missing(found))
    return (
        f"<p class='faint'>{escape(f'{METHOD} {emulated(found)}')}</p><figure>{staircase.draw(found)}</figure>"
        f"{_table('numbers', _HEADINGS, _rows(found))}{notes}"
        f"<h3>What each rung gives</h3>{_table('facts', ('rung', 'what it is', 'seen from inside'), gives)}"
    )


def page(found: dict[str, Any], style: str) -> str:
    """The whole page."""
    host = found["host"]
    where = f"{host.get('cpu', '?')}, {host.get('cores', '?')} cores, kernel {host.get('kernel', '?')}"
    title = "vmlab: the isolation ladder"
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>\n{style}</style></head>\n<body><main><h1>{title}</h1>"
        f"<p class='faint'>Run {escape(found['run'])}, seed {found['seed']}, on {escape(where)}.</p>"
        f"{section(found)}</main></body></html>\n"
    )


def write(found: dict[str, Any], path: Path) -> None:
    """Write the page; a reader of an older one never sees half of this one."""
    style = Path(__file__).parent.with_name("report.css").read_text(encoding="utf-8")
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(page(found, style), encoding="utf-8")
    fresh.replace(path)


def _rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    by_variant = {variant: {row["rung"]: row for row in of(found, variant)} for variant in VARIANTS}
    names = dict.fromkeys(row["rung"] for row in found["rungs"])
    return [_row(name, by_variant["null"].get(name), by_variant["service"].get(name)) for name in names]


def _row(name: str, null: Figure | None, service: Figure | None) -> tuple[str, ...]:
    adds = next((row["adds"] for row in (null, service) if row and row["adds"]), "")
    shown = f"+ {adds}" + (f" = {name}" if name != adds else "") if adds else name
    ratio = (service or null or {}).get("ratio_to_fork_exec")
    times = units.ratio(ratio["median"], ratio["ci95"]) if ratio else units.NONE
    cells = (_time(null), added(null), _time(service))
    return (f"{shown} {MARK}" if _emulated(null or service) else shown, *cells, times)


def _emulated(row: Figure | None) -> bool:
    return bool(row) and (row or {}).get("conditions", {}).get("accelerator") == EMULATED


def _time(row: Figure | None) -> str:
    summary = row["boot_seconds"] if row else None
    return units.with_interval(summary["median"], summary["ci95"], "s") if summary else units.NONE


def added(row: Figure | None) -> str:
    """What it adds, in microseconds: `+123 (100 to 150)`."""
    summary = row["added_seconds"] if row else None
    if not summary:
        return units.NONE
    low_high = summary["ci95"]
    interval = f" ({low_high[0] * 1e6:.0f} to {low_high[1] * 1e6:.0f})" if low_high else ""
    return f"{summary['median'] * 1e6:+.0f} µs{interval}"


def _gives(row: Figure) -> tuple[str, ...]:
    return row["adds"], row["describes"], "; ".join(row["changes"]) or units.NONE


def _line(cells: tuple[str, ...] | list[str], widths: list[int]) -> str:
    padded = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *padded])


def _table(kind: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class='scroll'><table class='{kind}'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
