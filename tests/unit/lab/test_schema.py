"""The published forms: what is written is valid by docs/schema, and what is not is refused with what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lab import cli
from lab.analysis.comparison import compare
from lab.analysis.shapes import Comparison
from lab.commands import report
from lab.measuring import runs, samples, schema
from lab.measuring.runs import RunData
from lab.measuring.samples import Sample
from machine.errors import InvalidInput
from tests.unit.lab.example import MISSING, run_of, writer

LINE = {"metric": "m", "value": 1, "unit": "s", "dimensions": {"stack": "a", "block": 1, "boot": "x"}}


def valid(found: object, name: str) -> bool:
    """Whether it is valid by the schema."""
    return bool(jsonschema.Draft202012Validator(schema.load(name)).is_valid(found))


@pytest.mark.parametrize("name", ["run", "sample", "comparison"])
def test_a_schema_is_a_schema(name: str) -> None:
    """Each is valid by the standard's own schema."""
    jsonschema.Draft202012Validator.check_schema(schema.load(name))


def test_what_a_run_writes_is_valid(tmp_path: Path) -> None:
    """run.json, each line of samples.jsonl, and the comparison with a stack that was not measured."""
    run = run_of(tmp_path, "process", "vm")
    facts = json.loads((run.directory / runs.FACTS).read_text())
    lines = (run.directory / runs.SAMPLES).read_text().splitlines()
    run.stacks["docker"] = MISSING

    assert facts["schema"] == schema.VERSION
    assert valid(facts, "run")
    assert all(valid(json.loads(line), "sample") for line in lines)
    assert valid(json.loads(json.dumps(compare([run]))), "comparison")
    assert not valid({**compare([run]), "substrates": {"docker": {"available": True}}}, "comparison")


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"more": [1]}, True),
        ({"value": "1"}, False),
        ({"value": None}, False),
        ({"metric": 1}, False),
        ({"unit": None}, False),
        ({"dimensions": {}}, False),
        ({"dimensions": {"stack": "a", "other": 0.5}}, False),
    ],
)
def test_the_reader_of_samples_follows_the_schema(changes: dict[str, Any], good: bool) -> None:
    """What the schema refuses the reader refuses, and accepts what it accepts; unknown members are ignored."""
    line = {**LINE, **changes}

    assert valid(line, "sample") is good
    if good:
        assert samples.parse(json.dumps(line)) == Sample(
            "m", 1.0, "s", {"stack": "a", "block": 1, "boot": "x"}
        )
    else:
        with pytest.raises(ValueError, match=r"text|number"):
            samples.parse(json.dumps(line))


def changed(root: Path, **changes: Any) -> Path:
    """A run's folder with other facts; None takes a member out."""
    path = writer(root).directory / runs.FACTS
    facts = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in facts.items() if value is not None}))
    return path.parent


def test_a_run_from_before_versions_is_read(tmp_path: Path) -> None:
    """Without a version it has the same members; unknown ones are ignored."""
    assert runs.load(changed(tmp_path, schema=None, more=1)).seed == 42


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 99}, r"run\.json has schema version 99; this version of vmlab reads 1"),
        ({"seed": None, "host": None}, r"run\.json is broken: .*'host' is a required .*'seed' is a required"),
        ({"quick": "yes"}, r"\$\.quick: 'yes' is not of type 'boolean'"),
        ({"stacks": {"vm": {"limits": {"cpus": 1}}}}, r"\$\.stacks\.vm\.limits"),
    ],
)
def test_a_run_of_another_form_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], words: str
) -> None:
    """Exit code 2, and one line with the file and what is missing in it or wrong."""
    folder = changed(tmp_path, **changes)

    with pytest.raises(InvalidInput, match=words):
        runs.load(folder)
    assert cli.main(["compare", str(folder)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_runs_comparison_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table, every file and the report come from one bootstrap."""
    run, made = run_of(tmp_path, "process", "docker"), []

    def counted(found: list[RunData]) -> Comparison:
        made.append(len(found))
        return compare(found)

    monkeypatch.setenv("VMLAB_HOME", str(tmp_path))
    run.directory.parent.joinpath("runs").symlink_to(run.directory.parent)
    monkeypatch.setattr(report, "compare", counted)

    report.keep_and_show(run.run, as_json=False)

    assert made == [1]
    assert {path.name for path in run.directory.iterdir()} >= {
        *("comparison.json", "comparison.md", "comparison.csv", "report.html")
    }
