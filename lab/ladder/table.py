"""The ladder as a table for the terminal, and as one offline page with its picture.

Out of scope: other forms; `--json` has every figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from catalogue import units
from lab.analysis.emulation import MARK
from lab.ladder import staircase
from lab.ladder.figures import Figure, Figures
from lab.ladder.steps import VARIANTS, Missing
from lab.output import report, tables

METHOD = (
    "Every boot is a fresh copy, timed from the create call to the first valid answer. Each block boots every step (our own "
    "rungs 5 times, of which the median counts), in an order shuffled with the seed. A time is the median of the blocks with "
    "its 95 % interval by order statistics; what a rung adds is the median of the differences within a block, and where its "
    "interval contains 0, no difference is shown. "
    "null is a static binary: what the substrate alone takes. service is the lab's service, with its interpreter."
)
# What a rung adds to the service is in the JSON: an interpreter's start varies by more than that.
HEADINGS = ("step", "null: boot (95 %)", "adds (95 %)", "service: boot (95 %)", "× fork+exec (95 %)")


def text(found: Figures) -> str:
    """For the terminal."""
    lines = tables.text(HEADINGS, _rows(found))
    for name, reason in missing(found):
        lines += tables.wrapped(f"{name}  {reason}", indent=4)
    return "\n".join([*lines, "", *tables.wrapped(f"{METHOD} Seed {found.seed}. {emulated(found)}")]) + "\n"


def emulated(found: Figures) -> str:
    """What the mark means, where a row has it."""
    if not any(row.emulated for row in found.rungs):
        return ""
    return f"{MARK} ran under TCG (software emulation): its times do not predict those under KVM."


def missing(found: Figures) -> list[tuple[str, str]]:
    """The steps that were not booted, and why; the two variants of one as one."""
    variants: dict[tuple[str, str], list[Missing]] = {}
    for gap in found.not_measured:
        fix = f"; {gap.fix}" if gap.fix else ""
        variants.setdefault((gap.rung, f"not measured, because {gap.reason}{fix}"), []).append(gap)
    measured = {row.rung for row in found.rungs}
    return [
        (f"{name} ({gaps[0].variant})" if name in measured else name, reason)
        for (name, reason), gaps in variants.items()
    ]


def section(found: Figures) -> str:
    """The picture and its tables as HTML."""
    gives = [
        (row.adds, row.describes, "; ".join(row.changes) or units.NONE)
        for row in found.of("service") or found.of("null")
        if row.adds
    ]
    return (
        f"{tables.note(f'{METHOD} {emulated(found)}')}<figure>{staircase.draw(found)}</figure>"
        f"{tables.html('numbers', HEADINGS, _rows(found))}"
        f"{''.join(tables.note(f'{name}: {reason}') for name, reason in missing(found))}"
        f"<h3>What each rung gives</h3>{tables.html('facts', ('rung', 'what it is', 'seen from inside'), gives)}"
    )


def page(found: Figures) -> str:
    """The whole page."""
    host = found.host
    where = f"{host.get('cpu', '?')}, {host.get('cores', '?')} cores, kernel {host.get('kernel', '?')}"
    about = f"<p class='faint'>Run {escape(found.run)}, seed {found.seed}, on {escape(where)}.</p>"
    return report.page("vmlab: the isolation ladder", about + section(found))


def _rows(found: Figures) -> list[Sequence[str]]:
    by_variant = [{row.rung: row for row in found.of(variant)} for variant in VARIANTS]
    names = dict.fromkeys(row.rung for row in found.rungs)
    return [_row(*(of_variant.get(name) for of_variant in by_variant)) for name in names]


def _row(null: Figure | None, service: Figure | None) -> Sequence[str]:
    one = null or service
    either = next((row for row in (null, service) if row and row.adds), one)
    ratio = of.ratio_to_fork_exec if (of := service or null) else None
    return (
        f"{either.shown if either else ''}{f' {MARK}' if one and one.emulated else ''}",
        _time(null),
        null.added if null and null.added else units.NONE,
        _time(service),
        units.ratio(ratio.median, ratio.ci95) if ratio else units.NONE,
    )


def _time(row: Figure | None) -> str:
    if row is None:
        return units.NONE
    return units.with_interval(row.boot_seconds.median, row.boot_seconds.ci95, units.SECONDS)
