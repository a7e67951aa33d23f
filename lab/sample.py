"""One measured value: the row that every table, chart and report is derived from.

One JSON object a line, so that a run can be appended to, cut off by a kill and read again. Left out: what a value means;
`lab/compare.py` knows the metrics by name and shows those it does not know too.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

MEMBERS = {"metric", "value", "unit", "dimensions"}


@dataclass(frozen=True)
class Sample:
    """A value with its unit; `dimensions` say of which stack, and of a boot which block and nonce."""

    metric: str
    value: float
    unit: str
    dimensions: dict[str, str | int]

    def line(self) -> str:
        """The sample as one line of JSON; ValueError when the value is no finite number."""
        return json.dumps(asdict(self), allow_nan=False, ensure_ascii=False) + "\n"


def parse(line: str) -> Sample:
    """The sample that a line holds; ValueError says what is wrong with it."""
    found = json.loads(line)
    if not isinstance(found, dict) or not found.keys() >= MEMBERS:
        raise ValueError(f"a sample has the members {', '.join(sorted(MEMBERS))}")
    metric, value, unit, dimensions = (found[name] for name in ("metric", "value", "unit", "dimensions"))
    if not isinstance(metric, str) or not isinstance(unit, str):
        raise ValueError("metric and unit are texts")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"value is a finite number, not {value!r}")
    return Sample(metric, float(value), unit, _dimensions(dimensions))


def _dimensions(found: Any) -> dict[str, str | int]:
    if not isinstance(found, dict) or not isinstance(found.get("stack"), str):
        raise ValueError('dimensions are an object with a text "stack"')
    if not all(isinstance(value, str | int) for value in found.values()):
        raise ValueError("a dimension is a text or a whole number")
    return found
