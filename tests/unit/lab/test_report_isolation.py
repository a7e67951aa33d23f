"""The report shows the ladder and the boundaries that lie in a run's folder, and nothing where there are none."""

from __future__ import annotations

from pathlib import Path

from lab.analysis.comparison import compare
from lab.boundaries import table as boundaries
from lab.boundaries.findings import Finding
from lab.commands import report
from lab.ladder.figures import FILE, figures
from lab.output.report import render
from tests.unit.lab.example import run_of
from tests.unit.lab.test_ladder_figures import ladder


def test_sections_come_from_the_runs_folder(tmp_path: Path) -> None:
    """Both are shown with their texts escaped, the page stays offline, and its own sections are still there."""
    run = run_of(tmp_path, "process", "docker")
    (run.directory / FILE).write_text(figures(ladder(tmp_path / "ladder")).json())
    boundaries.keep(boundaries.table({"<b>": {"kernel": Finding("own", "6.1")}}, {}, {}), run.directory)
    page = render(compare([run]), run, report.sections(run))
    for word in (
        "The isolation ladder",
        "+ mount",
        "What is isolated",
        "own: 6.1",
        "&lt;b&gt;",
        "The numbers",
    ):
        assert word in page
    assert "<b>" not in page
    assert "src=" not in page


def test_without_them_there_are_no_sections(tmp_path: Path) -> None:
    """A run that nobody climbed for, or whose file is torn, has a report without them."""
    run = run_of(tmp_path, "process")
    assert report.sections(run) == []
    (run.directory / FILE).write_text('{"run": ')
    assert report.sections(run) == []
