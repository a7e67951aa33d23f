"""The files of a run: what was written is read, whatever happened in between."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.measuring.runs import create, latest, list_runs, load
from lab.measuring.samples import Sample, parse
from machine.errors import InvalidInput, VmlabError
from tests.unit.lab.example import HOST, facts, writer

SAMPLE = Sample("boot_seconds", 0.25, "s", {"stack": "docker", "block": 3, "boot": "ab"})


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Facts and samples come back, by id and by path."""
    run = create(root=tmp_path, host=HOST, seed=7, quick=True)
    run.set_stack("docker", facts("docker"))
    run.add(SAMPLE)
    run.finish()

    by_id, by_path = load(run.run, tmp_path), load(str(run.directory), tmp_path / "elsewhere")

    assert by_id.samples == [SAMPLE] == by_path.samples
    assert (by_id.run, by_id.seed, by_id.quick, by_id.finished, by_id.host) == (run.run, 7, True, True, HOST)
    assert by_id.stacks == {"docker": facts("docker")}
    assert by_id.notes == []


def test_a_sample_is_in_the_file_at_once(tmp_path: Path) -> None:
    """A run that is killed keeps every sample it had."""
    run = writer(tmp_path)
    run.add(SAMPLE)

    read = load(run.run, tmp_path)

    assert read.samples == [SAMPLE]
    assert not read.finished
    assert read.notes == ["the run was ended before its end"]


def test_a_torn_last_line_is_left_out_with_a_note(tmp_path: Path) -> None:
    """Wherever a kill cuts the last line, the others are read, and the cut one only if nothing of it is missing."""
    whole = SAMPLE.line().encode()
    for cut in range(1, len(whole)):
        run = writer(tmp_path)
        (run.directory / "samples.jsonl").write_bytes(whole + whole[:cut])

        read = load(run.run, tmp_path)

        complete = cut == len(whole) - 1
        assert read.samples == [SAMPLE] * (2 if complete else 1)
        assert any("torn" in note for note in read.notes) is not complete


@pytest.mark.parametrize(
    "line",
    [
        '{"metric": "x"',
        "[]",
        '{"metric": "x", "value": NaN, "unit": "s", "dimensions": {"stack": "a"}}',
        "\xff",
    ],
)
def test_another_broken_line_is_an_error_with_file_and_line(tmp_path: Path, line: str) -> None:
    """A line that no kill explains is never passed over."""
    run = writer(tmp_path)
    (run.directory / "samples.jsonl").write_bytes(
        SAMPLE.line().encode() + line.encode("latin-1") + b"\n" + SAMPLE.line().encode()
    )

    with pytest.raises(VmlabError, match=r"samples\.jsonl, line 2, is not a sample"):
        load(run.run, tmp_path)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("value", True),
        ("value", "1"),
        ("metric", 1),
        ("dimensions", {}),
        ("dimensions", {"stack": "a", "b": 0.5}),
    ],
)
def test_a_sample_of_another_shape_is_refused(member: str, value: object) -> None:
    """Members have the kinds that the format promises."""
    with pytest.raises(ValueError, match=r"number|text"):
        parse(json.dumps({**json.loads(SAMPLE.line()), member: value}))


def test_no_value_that_is_no_number_is_written(tmp_path: Path) -> None:
    """What could not be read again is not written in the first place."""
    with pytest.raises(ValueError, match="JSON compliant"):
        writer(tmp_path).add(Sample("boot_seconds", float("nan"), "s", {"stack": "docker"}))


def test_runs_are_listed_the_newest_first(tmp_path: Path) -> None:
    """`latest` is the one that was started last; a folder without facts is not a run."""
    first, second = writer(tmp_path), writer(tmp_path)
    for run, started in ((first, "2026-11-21T05:30:00.000Z"), (second, "2026-11-21T05:30:00.001Z")):
        path = run.directory / "run.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "started": started}))
    (tmp_path / "20991231T000000Z-dead").mkdir()

    assert list_runs(tmp_path) == [second.run, first.run]
    assert latest(tmp_path).run == second.run


def test_a_run_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    """A wrong name is wrong use; no run at all names the command that makes one."""
    with pytest.raises(InvalidInput, match="no run 'nonsense'"):
        load("nonsense", tmp_path)
    with pytest.raises(VmlabError) as caught:
        latest(tmp_path)
    assert caught.value.next_command == "./vmlab run --quick"


@pytest.mark.parametrize("text", ["{", "[]", '{"run": "x"}'])
def test_broken_facts_name_the_file(tmp_path: Path, text: str) -> None:
    """A run.json that was damaged is named, not guessed."""
    run = writer(tmp_path)
    (run.directory / "run.json").write_text(text)

    with pytest.raises(VmlabError, match=r"run\.json is broken"):
        load(run.run, tmp_path)
    assert list_runs(tmp_path) == [run.run]
