"""The comparison as CSV in long form: one line a stack and metric, in base units, for a spreadsheet or a data frame.

Ratios and phases are lines of their own; each says on what its guest ran, and whom it must not be held against. A stack that
was not measured has one line, without numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from lab.comparison import Comparison, Substrate

HEADINGS = ("stack", "metric", "median", "low", "high", "n", "unit", "accelerator", "note")


def render(comparison: Comparison) -> str:
    """All lines, the headings first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADINGS)
    for stack, substrate in comparison["substrates"].items():
        said = substrate.get("accelerator", ""), substrate.get("not_comparable", "")
        writer.writerows((stack, *line, *said) for line in _lines(substrate))
    return text.getvalue()


def _lines(substrate: Substrate) -> Iterator[tuple[object, ...]]:
    if not substrate["available"]:
        yield "not_measured", None, None, None, 0, ""
    for name, metric in substrate.get("metrics", {}).items():
        yield name, metric["median"], *(metric["ci95"] or (None, None)), metric["n"], metric["unit"]
        if ratio := metric["ratio_to_process"]:
            yield (
                f"{name}.ratio_to_process",
                ratio["median"],
                *(ratio["ci95"] or (None, None)),
                metric["n"],
                "1",
            )
    boots = substrate.get("metrics", {}).get("boot_seconds")
    for name, seconds in substrate.get("phases_seconds", {}).items():
        yield f"phase_seconds.{name}", seconds, None, None, boots["n"] if boots else None, "s"
