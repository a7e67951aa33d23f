"""The whole comparison in each form: for the terminal (plain text, at most 110 columns), Markdown, CSV, JSON.

CSV is long: a line for each stack and metric, in base units, for a spreadsheet or a data frame; ratios and phases are lines of
their own, and a stack that was not measured has one line without numbers. JSON is the comparison as it is.
"""

from __future__ import annotations

import csv as csv_module
import io
import json as json_module
from collections.abc import Iterator

from catalogue import metrics
from lab.analysis.shapes import Comparison, Substrate
from lab.output import cells, tables

CSV_HEADINGS = ("stack", "metric", "median", "low", "high", "n", "unit", "accelerator", "note")
_Line = tuple[object, ...]


def text(comparison: Comparison) -> str:
    """On what guests ran, the table, the stacks that were not measured, the verdict, and where it was measured."""
    rows, missing = cells.measured(comparison), cells.missing(comparison)
    table = tables.text(cells.HEADINGS, rows, name_width=max((len(name) for name, _ in missing), default=0))
    width = len(table[1].split("  ")[0])
    lines = tables.wrapped(comparison["accelerator"]) + (table if rows else [])
    for name, reason in missing:
        lines += tables.wrapped(f"{tables.clipped(name, width)}  {reason}", indent=width + 2)
    lines += ["", *tables.wrapped(comparison["verdict"]), ""]
    for remark in [cells.LEGEND, *cells.remarks(comparison)]:
        lines += tables.wrapped(remark)
    return "\n".join(lines) + "\n"


def markdown(comparison: Comparison) -> str:
    """The same rows as in the terminal, for a README or an issue."""
    empty = [""] * (len(cells.HEADINGS) - 2)
    missing = [[name, reason, *empty] for name, reason in cells.missing(comparison)]
    lines = [tables.plain(comparison["accelerator"]), ""] if comparison["accelerator"] else []
    lines += tables.markdown(cells.HEADINGS, [*cells.measured(comparison), *missing])
    for paragraph in [comparison["verdict"], cells.LEGEND, *cells.remarks(comparison)]:
        lines += ["", tables.plain(paragraph)]
    return "\n".join(lines) + "\n"


def json(comparison: Comparison) -> str:
    """What `vmlab compare --json` prints; its form is `docs/schema/comparison.schema.json`."""
    return json_module.dumps(comparison, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def csv(comparison: Comparison) -> str:
    """All lines, the headings first; each with the accelerator and what it must not be compared with."""
    lines = io.StringIO()
    writer = csv_module.writer(lines, lineterminator="\n")
    writer.writerow(CSV_HEADINGS)
    for stack, substrate in comparison["substrates"].items():
        about = substrate.get("accelerator", ""), substrate.get("not_comparable", "")
        writer.writerows((stack, *line, *about) for line in _csv_lines(substrate))
    return lines.getvalue()


def _csv_lines(substrate: Substrate) -> Iterator[_Line]:
    if not substrate["available"]:
        yield "not_measured", None, None, None, 0, ""
    measured = substrate.get("metrics", {})
    for name, metric in measured.items():
        yield name, metric["median"], *(metric["ci95"] or (None, None)), metric["n"], metric["unit"]
        if ratio := metric["ratio_to_process"]:
            low_high = ratio["ci95"] or (None, None)
            yield f"{name}.ratio_to_process", ratio["median"], *low_high, metric["n"], "1"
    boots = measured.get(metrics.BOOT.name)
    for name, seconds in substrate.get("phases_seconds", {}).items():
        phase = f"{metrics.PHASE.name}.{name}"
        yield phase, seconds, None, None, boots["n"] if boots else None, metrics.PHASE.unit
