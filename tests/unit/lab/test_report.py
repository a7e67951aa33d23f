"""The report: one file, nothing from elsewhere, nothing that a run says becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from lab.analysis.comparison import compare
from lab.measuring.runs import RunData, load
from lab.output import report
from lab.output.pictures.axis import WIDTH, axis_for
from tests.unit.lab.example import MISSING, run_of, writer

VOID = {"meta", "br", "hr"}


class Page(HTMLParser):
    """The tags of a page, and that each is closed by its own."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(run: RunData) -> str:
    return report.render(compare([run]), run)


def run_with_all(tmp_path: Path, **changes: Any) -> RunData:
    run = run_of(tmp_path, "process", "docker", "vm", **changes)
    run.stacks["kubernetes"] = MISSING
    return run


def test_it_holds_everything_it_shows(tmp_path: Path) -> None:
    """No script, nothing loaded from anywhere, and a policy that would forbid it."""
    text = page(run_with_all(tmp_path))

    found = Page(text)
    assert found.open == []
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in found.tags}
    assert not [a for _, a in found.tags if {"src", "href", "onload", "onclick"} & a.keys()]
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_it_tells_a_stranger_what_is_needed(tmp_path: Path) -> None:
    """Verdict, numbers, phases, boots, what was not equal, how, the machine, and where the raw data are."""
    run = run_with_all(tmp_path)

    text = page(run)

    for words in (
        "gives its first answer after",
        "kernel",
        "shuffled",
        "Example CPU",
        str(run.directory),
        run.run,
    ):
        assert words in text
    assert "not measured, because no cluster answers" in text
    assert text.count("<circle") == 30
    assert re.search(r"<tr class=differs><td>conditions: accelerator", text)
    assert re.search(r"<tr><td>limits: memory</td>", text)


def test_no_text_of_a_run_becomes_markup(tmp_path: Path) -> None:
    """Names, reasons and facts are shown as they are, wherever they stand."""
    evil = "<script>alert('x')</script>\"&"
    run = writer(tmp_path, host={"cpu": evil, evil: evil})
    run.set_stack(evil, MISSING | {"reason": evil, "fix": evil})
    run.finish()
    read = load(run.run, tmp_path)
    odd = run_of(tmp_path, "process", "docker", conditions={evil: evil}, artifact=evil)
    odd.samples.extend(
        [type(s)(evil, s.value, evil, s.dimensions | {"phase": evil}) for s in odd.samples[:1]]
    )
    phase = next(s for s in odd.samples if s.metric == "phase_seconds")
    odd.samples.append(type(phase)("phase_seconds", 9.0, "s", phase.dimensions | {"phase": evil}))

    for text in (page(read), page(odd)):
        assert "<script" not in text
        assert Page(text).open == []


def test_it_is_written_in_one_step(tmp_path: Path) -> None:
    """The file is whole, and nothing lies beside it."""
    run = run_with_all(tmp_path)
    target = tmp_path / "out"
    target.mkdir()

    report.write(compare([run]), run, target / "report.html")

    assert [path.name for path in target.iterdir()] == ["report.html"]
    assert (target / "report.html").read_text().rstrip().endswith("</html>")


def test_a_run_without_boots_has_a_report_too(tmp_path: Path) -> None:
    """No picture is drawn of nothing, and nothing fails."""
    run = writer(tmp_path)
    run.set_stack("vm", MISSING)

    text = page(load(run.run, tmp_path))

    assert "Nothing could be measured." in text
    assert "<svg" not in text


def test_everything_drawn_is_inside_the_picture(tmp_path: Path) -> None:
    """No bar, point or grid line is drawn outside, and bars short beside the longest are drawn again."""
    text = page(run_with_all(tmp_path))

    boxes = re.findall(r"<rect x='([\d.]+)' y='\d+' width='([\d.]+)' height='26'", text)
    points = re.findall(r"<circle cx='([\d.]+)'", text)
    assert max(float(x) + float(width) for x, width in boxes) <= WIDTH
    assert max(map(float, points)) <= WIDTH
    assert "the short ones again, enlarged" in text


def test_the_axis_is_linear_until_the_short_ones_vanish() -> None:
    """Times within a factor of 12 share a linear axis that begins at 0; others a logarithmic one from a power of ten."""
    near, far = axis_for([0.1, 1.0], 0.1), axis_for([0.01, 1.0], 0.01)

    assert (near.logarithmic, near.ticks()[0]) == (False, 0)
    assert (far.logarithmic, far.start_seconds) == (True, 0.001)
    assert near.x(0) < near.x(0.5) < near.x(1.0) < WIDTH
