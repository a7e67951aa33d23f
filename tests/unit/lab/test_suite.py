"""`vmlab test`: which phases and parts of the host a path takes, and how the phases' results become one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lab.commands import suite
from lab.deploying.engines import ROOT
from tests import groups


def names(*paths: str) -> list[str]:
    """The phases of these paths."""
    return [phase.name for phase in suite.phases_for(paths)]


@pytest.mark.parametrize(
    ("paths", "phases", "parts"),
    [
        (["tests"], ["without daemons", "side by side", "alone"], list(suite.PARTS)),
        (["tests/unit", "tests/engine"], ["without daemons"], []),
        (["tests/engine/test_order.py::test_x"], ["without daemons"], []),
        (["tests/live"], ["side by side", "alone"], list(suite.PARTS)),
        (["tests/live/whole"], ["side by side", "alone"], ["docker"]),
        (["tests/live/docker_provider"], ["side by side", "alone"], ["docker", "registry"]),
        (
            ["tests/unit", "tests/live/kubernetes/test_boot.py"],
            ["without daemons", "side by side", "alone"],
            ["registry", "artifact", "kubernetes"],
        ),
    ],
)
def test_a_path_takes_what_it_needs(paths: list[str], phases: list[str], parts: list[str]) -> None:
    """Tests without daemons set nothing up; a folder of live tests sets up its own parts, and only those."""
    assert names(*paths) == phases
    assert suite.parts_for(paths) == parts


def test_every_folder_of_live_tests_is_known() -> None:
    """Each has a group to run in and a list of the parts that it needs, which are parts of the host."""
    folders = {path.parent.name for path in (ROOT / "tests" / "live").glob("*/test_*.py")}

    assert set(suite.NEEDS) == set(groups.GROUPS) == folders
    assert {part for needs in suite.NEEDS.values() for part in needs.split()} == set(suite.PARTS)


def test_what_runs_alone_exists() -> None:
    """Each entry of the table names a file, and a test of it."""
    for entry in groups.ALONE:
        path, _, test = entry.partition("::")
        assert f"def {test}" in (ROOT / path).read_text()


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0, 0, 0], 0), ([0, 5, 5], 0), ([5, 5], 5), ([0, 1, 0], 1), ([1, 2], 2), ([0, -9], 1)],
)
def test_the_worst_exit_code_counts(codes: list[int], code: int) -> None:
    """A phase without tests is no failure beside others; a killed pytest is one."""
    assert suite.worst(codes) == code


def test_results_are_added(tmp_path: Path) -> None:
    """Counts come from the reports of pytest; a phase that wrote none counts as an error."""
    report = tmp_path / "0.xml"
    report.write_text(
        '<testsuites><testsuite tests="5" failures="1" errors="1" skipped="1"></testsuite></testsuites>'
    )
    phase = suite.Phase("alone", ("tests",), "alone")

    counts = suite._counted(phase, report) + suite._counted(phase, tmp_path / "none.xml")

    assert counts == Counter(tests=6, failures=1, errors=2, skipped=1)
    assert suite._passed(counts) == 2


def test_one_report_for_the_user(tmp_path: Path) -> None:
    """`--junitxml` of the user gets the tests of all phases."""
    for number in range(2):
        (tmp_path / f"{number}.xml").write_text(f'<testsuites><testsuite name="{number}"/></testsuites>')

    suite._merge(sorted(tmp_path.glob("*.xml")), str(tmp_path / "whole"))

    assert (tmp_path / "whole").read_text().count("<testsuite ") == 2
