"""One measured value: the row that every table, chart and report is derived from.

One JSON object a line, so that a run can be appended to, cut off by a kill and read again; its form is
`docs/schema/sample.schema.json`. Out of scope: what a value means (`catalogue/metrics.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TypeGuard

from catalogue.metrics import Metric

MEMBERS = {"metric", "value", "unit", "dimensions"}
Dimensions = dict[str, str | int]


@dataclass(frozen=True)
class Sample:
    """A value with its unit; `dimensions` state of which stack, and of a boot which block and nonce."""

    metric: str
    value: float
    unit: str
    dimensions: Dimensions

    @classmethod
    def of(cls, metric: Metric, value: float, dimensions: Mapping[str, str | int]) -> Sample:
        """A sample of a metric of the catalogue, in the metric's unit."""
        return cls(metric.name, value, metric.unit, dict(dimensions))

    def line(self) -> str:
        """The sample as one line of JSON; ValueError when the value is not a finite number."""
        return json.dumps(asdict(self), allow_nan=False, ensure_ascii=False) + "\n"


def parse(line: str) -> Sample:
    """The sample that a line holds, unknown members ignored; ValueError states what is wrong with it."""
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("a sample is an object")
    if missing := sorted(MEMBERS - found.keys()):
        raise ValueError(
            f"a sample has the members {', '.join(sorted(MEMBERS))}; missing: {', '.join(missing)}"
        )
    metric, value, unit, dimensions = (found[name] for name in ("metric", "value", "unit", "dimensions"))
    if not isinstance(metric, str) or not isinstance(unit, str):
        raise ValueError("metric and unit are texts")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"value is a finite number, not {value!r}")
    if not _are_dimensions(dimensions):
        raise ValueError('dimensions are an object with a text "stack"; each is a text or a whole number')
    return Sample(metric, float(value), unit, dimensions)


def _are_dimensions(found: object) -> TypeGuard[Dimensions]:
    return (
        isinstance(found, dict)
        and isinstance(found.get("stack"), str)
        and all(isinstance(value, str | int) for value in found.values())
    )
