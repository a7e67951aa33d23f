"""The form of a comparison: what `vmlab compare --json` prints, and what every table and report is made from.

It is a promise to other programs, published as `docs/schema/comparison.schema.json`: members may be added, never renamed or
removed.
"""

from __future__ import annotations

from typing import Required, TypedDict

from catalogue.metrics import Metric as Row
from lab.deploying.outputs import Conditions, Limits
from lab.measuring.host import Host


class Ratio(TypedDict):
    """How many times the process stack's median."""

    median: float
    ci95: list[float] | None


class Metric(TypedDict):
    """One metric of one stack; no median where values are counted only (boots that failed)."""

    median: float | None
    ci95: list[float] | None
    n: int
    unit: str
    ratio_to_process: Ratio | None


class Substrate(TypedDict, total=False):
    """One stack: measured, or unavailable with the reason and the command that changes it."""

    available: Required[bool]
    accelerator: str  # how a guest's instructions ran: kvm, tcg; empty where there is no guest
    not_comparable: str  # why its numbers must not be compared with others' figures; else empty
    conditions: Conditions
    artifact: str | None
    limits: Limits
    metrics: dict[str, Metric]
    phases_seconds: dict[str, float]
    boot_checks_seconds: dict[str, float]  # a guest's own account of its boot (systemd's), by part
    reason: str
    fix: str


class Comparison(TypedDict):
    """Every stack of a run, or of several."""

    schema: int
    run: str
    accelerator: str  # one line for the head of a table; empty where no stack has a guest
    verdict: str
    host: Host
    substrates: dict[str, Substrate]


def metric(substrate: Substrate, row: Row) -> Metric:
    """A metric of a stack; an empty one when it was not measured."""
    nothing: Metric = {"median": None, "ci95": None, "n": 0, "unit": row.unit, "ratio_to_process": None}
    return substrate.get("metrics", {}).get(row.name, nothing)
