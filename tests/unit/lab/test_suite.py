"""`vmlab test`: which phases and parts of the host a path takes, and how the phases' results become one."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from host import packages
from host.commands import verbs as commands
from lab.commands import suite
from lab.deploying.engines import ROOT
from machine.errors import Unavailable, VmlabError
from tests import groups
from tests.unit.lab.test_cli import raising


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


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that `vmlab test` would run; nothing is installed."""
    seen: list[list[str]] = []

    def run(command: list[str], **_: object) -> int:
        seen.append(command)
        return 0

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(suite, "attached", run)
    monkeypatch.setattr(packages, "missing", lambda _: [])
    return seen


def test_an_unavailable_part_is_reported(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a developer's machine one absent part keeps neither the other parts down nor the tests from running."""
    up: list[str] = []

    def run(_: str, names: list[str], **__: bool) -> int:
        up.extend(names)
        if names == ["docker"]:
            raise Unavailable("only root can start one", "sudo vmlab host up docker")
        return 0

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(commands, "run", run)

    suite.run(["-x"])

    assert up == list(suite.PARTS)
    assert "docker: not set up: only root" in capsys.readouterr().err
    assert [command[:4] for command in started] == [
        [sys.executable, "-m", "pytest", path] for path in ("tests", "tests/live", "tests/live")
    ]
    assert all("-x" in command for command in started)


@pytest.mark.parametrize(
    ("in_ci", "error"),
    [(True, Unavailable("only root can start one", "sudo")), (False, VmlabError("dockerd: it ended"))],
)
def test_a_set_up_that_must_work_ends_the_run(
    in_ci: bool, error: VmlabError, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In CI an absent part is a failure, and a part that failed is one everywhere: no test is run."""
    monkeypatch.setenv("CI", "true") if in_ci else monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(commands, "run", raising(error))

    with pytest.raises(type(error)):
        suite.run([])

    assert started == []


def test_tests_without_daemons_set_nothing_up(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`vmlab test tests/engine` sets nothing up and is one phase."""
    monkeypatch.setattr(commands, "run", raising(AssertionError("set up")))

    suite.run(["tests/engine"])

    assert len(started) == 1


@pytest.mark.parametrize(
    ("failed", "alone", "codes", "counted"),
    [
        (2, 0, 0, 0),  # passes by itself
        (2, 1, 1, 2),  # fails by itself too
        (suite.REPEATED_AT_MOST + 1, 0, 1, suite.REPEATED_AT_MOST + 1),  # too many to be a guest that hung
    ],
)
def test_a_few_that_fail_side_by_side_run_alone(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failed: int,
    alone: int,
    codes: int,
    counted: int,
) -> None:
    """What fails beside other groups and passes by itself is reported and is not a failure; anything else stays one."""
    ran: list[str] = []

    def run(phase: suite.Phase, options: object, report: Path) -> int:
        ran.append(phase.name)
        if phase.repeats:
            return 1
        return alone if phase.options == ("--last-failed",) else 0

    def count(phase: suite.Phase, report: Path) -> Counter[str]:
        return Counter({"tests": 10, "failures": failed}) if phase.repeats else Counter({"tests": 1})

    monkeypatch.setattr(suite, "_run", run)
    monkeypatch.setattr(suite, "_counted", count)
    monkeypatch.setattr(suite, "_set_up", lambda names: None)
    monkeypatch.setattr(suite, "_merge", lambda reports, into: None)

    assert suite.run(["tests/live"]) == codes
    printed = capsys.readouterr().out
    assert f"{11 - counted} passed, {counted} failed" in printed
    assert ("passed alone" in printed) == (codes == 0)
    assert ("what failed side by side, alone" in ran) == (failed <= suite.REPEATED_AT_MOST)
