"""Check: inputs are validated before anything else, and what the provider made of them is what is kept."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider, plain
from tests.engine.harness import Project


def test_check_hears_the_old_inputs(project: Project, fake: FakeProvider) -> None:
    """A create is checked without old inputs, an update with them, a replacement once more without (B1)."""
    project.program('Thing("a", size=1)').up()
    (first,) = fake.asked("check a")
    assert not first.HasField("olds")
    assert len(first.randomSeed) == 32

    fake.well()
    project.program('Thing("a", size=1, fixed=1)').up()

    again, replaced = fake.asked("check a")
    assert plain(again.olds) == {"size": 1}
    assert not replaced.HasField("olds")


def test_refused_input(project: Project, fake: FakeProvider) -> None:
    """An input that Check refuses is named with its reason, exit code 2, and nothing is created (B1)."""
    fake.refused["colour"] = "things have no colour"

    run = project.program('Thing("ok")', 'Thing("bad", colour="red")').run("up", code=2)

    assert "error: fake:index:Thing bad: colour: things have no colour" in run.err
    assert fake.changed == []
    assert fake.things == {}
