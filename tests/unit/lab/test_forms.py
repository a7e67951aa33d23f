"""The forms of a comparison: they have the same content, fit their medium, and show unusual texts unchanged."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from catalogue import units
from lab.analysis.comparison import compare
from lab.analysis.shapes import Comparison
from lab.output import cells, forms
from tests.unit.lab.example import MISSING, run_of


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    """Three stacks and one that is missing."""
    run = run_of(tmp_path, "process", "docker", "vm")
    run.stacks["kubernetes"] = MISSING
    return compare([run])


def test_the_table_fits_a_terminal(comparison: Comparison) -> None:
    """No line is wider than 110 columns; every stack has its row, a missing one with its reason and the fix."""
    lines = forms.text(comparison).splitlines()

    assert max(map(len, lines)) <= 110
    for name in ("process ", "docker ", "vm (tcg) "):
        assert any(line.startswith(name) for line in lines)
    assert any(
        "not measured, because no cluster answers; fix: vmlab host up cluster" in line for line in lines
    )


def test_a_wide_table_still_fits(tmp_path: Path) -> None:
    """Long names of stacks and of reasons are cut or broken, numbers never are."""
    run = run_of(tmp_path, "process", "docker")
    run.stacks["a-name-that-is-much-too-long-for-a-table"] = {**MISSING, "reason": "because of " * 30}

    lines = forms.text(compare([run, run_of(tmp_path, "process", "docker", seed=3)])).splitlines()

    assert max(map(len, lines)) <= 110
    assert sum(line.startswith("docker @") for line in lines) == 2


def test_markdown_has_the_same_rows(comparison: Comparison) -> None:
    """Every row has as many cells as the heading."""
    rows = [line for line in forms.markdown(comparison).splitlines() if line.startswith("|")]

    assert len(rows) == 2 + 4
    assert {row.count("|") for row in rows} == {len(cells.HEADINGS) + 1}


def test_markdown_shows_odd_texts_as_they_are(tmp_path: Path) -> None:
    """A pipe, a line's end or a tag in a reason breaks no table."""
    run = run_of(tmp_path, "process")
    run.stacks["vm"] = {"available": False, "reason": "a|b\n<script>", "fix": ""}

    text = forms.markdown(compare([run]))

    assert r"not measured, because a\|b \<script\>" in text


def test_json_is_the_comparison(comparison: Comparison) -> None:
    """What is printed is the structure itself."""
    assert json.loads(forms.json(comparison)) == comparison


def test_csv_is_long(comparison: Comparison) -> None:
    """One line for each stack and metric, in base units; ratios and phases are lines too."""
    lines = list(csv.DictReader(io.StringIO(forms.csv(comparison))))

    found = {(line["stack"], line["metric"]): line for line in lines}
    boot = comparison["substrates"]["docker"]["metrics"]["boot_seconds"]
    line = found["docker", "boot_seconds"]
    assert [float(line[name]) for name in ("median", "low", "high")] == [
        boot["median"],
        *(boot["ci95"] or []),
    ]
    assert (line["n"], line["unit"]) == ("10", "s")
    assert float(found["docker", "boot_seconds.ratio_to_process"]["low"]) > 1
    assert float(found["vm", "phase_seconds.kernel"]["median"]) > 1
    assert found["kubernetes", "not_measured"]["n"] == "0"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0312, "s", "31.2 ms"),
        (0.00095, "s", "950 µs"),
        (0.298, "s", "298 ms"),
        (3.64, "s", "3.64 s"),
        (0, "s", "0 ms"),
        (31.4 * 1024**2, "B", "31.4 MiB"),
        (4096, "B", "4 KiB"),
        (8 * 1024**3, "B", "8.00 GiB"),
        (0.0123, "1", "1.23 %"),
        (7, "boots", "7.00 boots"),
        (None, "s", "–"),
    ],
)
def test_units_for_people(value: float | None, unit: str, text: str) -> None:
    """Three digits and the unit that keeps them short."""
    assert units.quantity(value, unit) == text


def test_an_interval_has_the_unit_and_digits_of_its_value() -> None:
    """Both ends can be read against the value."""
    assert units.with_interval(0.9, [0.85, 1.234], "s") == "900 ms (850–1234)"
    assert units.ratio(1.02, [0.97, 1.08]) == "1.02 (0.97–1.08)"
