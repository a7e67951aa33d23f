"""The ladder's table and picture: everything is inside, every text of a run is escaped, gaps are listed once."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from lab.ladder import staircase, table
from lab.ladder.figures import Figure, Figures, Summary, figures
from lab.ladder.steps import Missing
from lab.output import tables
from lab.output.pictures import axis
from tests.unit.lab.test_ladder_figures import ladder


def ladder_of(rungs: list[Figure], missing: list[Missing]) -> Figures:
    """A ladder of these rows."""
    return Figures("run", 1, True, {}, rungs, missing)


SVG = "{http://www.w3.org/2000/svg}"


def test_table_is_narrow_and_whole(tmp_path: Path) -> None:
    """At most 110 columns, a line a step, what a rung adds in microseconds with its interval, and the gap with its reason."""
    text = table.text(figures(ladder(tmp_path)))
    assert max(map(len, text.splitlines())) <= tables.WIDTH
    assert re.search(r"^\+ rlimits = all .*\+[23]\d\d\d µs \(\d+ to \d+\)", text, re.MULTILINE)
    assert "vm  not measured, because not up; vmlab up vm" in text
    assert "Seed 3." in text


def test_variants_of_one_gap_are_one_line() -> None:
    """A step that is missing in both variants for one reason is told once; one that is measured in the other says which."""
    gaps = [Missing("crun alone", variant, "hybrid", "") for variant in ("null", "service")]
    user = Figure("user", "service", "user", Summary(0.1, None, 1))
    told = table.missing(ladder_of([user], [*gaps, Missing("user", "null", "odd", "try")]))
    assert told == [
        ("crun alone", "not measured, because hybrid"),
        ("user (null)", "not measured, because odd; try"),
    ]


def test_picture_has_every_step_and_stays_inside(tmp_path: Path) -> None:
    """It is well-formed, names each step, and no bar or point leaves the drawing."""
    root = ElementTree.fromstring(staircase.draw(figures(ladder(tmp_path))))
    texts = "".join(root.itertext())
    width, height = axis.WIDTH, float(root.get("height", "0"))
    for name in ("fork+exec", "+ mount", "+ rlimits"):
        assert name in texts
    for bar in root.iter(f"{SVG}rect"):
        x, y = float(bar.get("x", "0")), float(bar.get("y", "0"))
        assert 0 <= x <= x + float(bar.get("width", "0")) <= width
        assert 0 <= y <= y + float(bar.get("height", "0")) <= height
    for point in root.iter(f"{SVG}circle"):
        assert 0 < float(point.get("cx", "0")) < width
        assert 0 < float(point.get("cy", "0")) < height


def test_nothing_is_drawn_of_nothing() -> None:
    """An empty ladder has no picture, and does not fail."""
    assert staircase.draw(ladder_of([], [])) == ""


def test_page_escapes_what_a_run_says(tmp_path: Path) -> None:
    """A description with markup in it is text on the page, and the page loads nothing."""
    found = figures(ladder(tmp_path))
    odd = [replace(row, describes="<script>alert(1)</script>") for row in found.rungs]
    page = table.page(replace(found, rungs=odd, not_measured=[Missing("vm", "service", "<b>broken</b>", "")]))
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;broken" in page
