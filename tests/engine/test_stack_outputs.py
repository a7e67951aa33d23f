"""Stack outputs: what the program exports, and what of it is left when the program fails."""

from __future__ import annotations

import json

from tests.engine.fake_provider import UNKNOWN, FakeProvider
from tests.engine.harness import Project, command_line_error

LINES = (
    'a = Thing("a", size=1)',
    'export("out", a.out)',
    'export("all", {"list": [a.size, None], "text": "é"})',
)


def test_outputs_are_kept_and_printed(project: Project, fake: FakeProvider) -> None:
    """Exports are in the state, are printed by `outputs` alone, bare or as JSON, and replace the older ones (D2)."""
    project.program(*LINES).up()
    everything = {"out": "out of a-1", "all": {"list": [1, None], "text": "é"}}
    assert json.loads(project.run("outputs", "--json").out) == everything
    assert project.run("outputs", "out").out == "out of a-1\n"

    project.program(LINES[0], 'export("other", 1)').up()
    assert json.loads(project.run("outputs", "--json").out) == {"other": 1}


def test_failed_program_keeps_old_outputs(project: Project, fake: FakeProvider) -> None:
    """After a failed program the old outputs are still there (D2)."""
    project.program(*LINES).up()

    project.program(LINES[0], 'export("new", 1)', 'raise ValueError("boom")').up(code=1)

    kept = json.loads(project.run("outputs", "--json").out)
    assert kept["out"] == "out of a-1"


def test_outputs_of_a_failed_resource_are_no_sentinel(project: Project, fake: FakeProvider) -> None:
    """Of outputs that a failure leaves unknown the old ones are kept, and nothing unknown is written down (D2, D11)."""
    project.program('export("b", 1)').up()
    fake.fail("create b")

    lines = (
        'g = Group("g")',
        'b = Thing("b")',
        'g.register_outputs({"b": b.out, "n": 1})',
        'export("b", [b.out])',
    )
    project.program(*lines).up("--continue-on-error", code=1)

    assert UNKNOWN.encode() not in project.state_file.read_bytes()
    assert project.resource("g").outputs == {"n": 1}
    assert project.run("outputs", "b").out == "1\n"


def test_missing_output(project: Project, fake: FakeProvider) -> None:
    """An output that is not there is refused with the names of those that are."""
    project.program(*LINES).up()

    assert "it has: all, out" in command_line_error(project.run("outputs", "nothing", code=2))
