"""--continue-on-error: a failure stops what depends on it, and nothing else."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

LINES = (
    'a = Thing("a")',
    'b = Thing("b", size=a.out)',
    'Thing("c", opts=ResourceOptions(depends_on=b))',
    'g = Group("g", opts=ResourceOptions(depends_on=a))',
    'Thing("d")',
)


def test_others_go_on(project: Project, fake: FakeProvider) -> None:
    """What depends on the failure, directly or not, is skipped, the rest is made, and the command fails (F15)."""
    fake.fail("create a", "broken")

    run = project.program(*LINES).up("--continue-on-error", code=1)

    assert "broken" in run.error
    assert sorted(fake.changed) == ["create a", "create d"]
    assert project.names() == ["d"]


def test_skipped_is_made_when_all_is_well(project: Project, fake: FakeProvider) -> None:
    """The next up makes what failed and what was skipped, and leaves the rest alone (F15)."""
    fake.fail("create a")
    project.program(*LINES).up("--continue-on-error", code=1)
    fake.well()

    project.up()

    assert fake.changed == ["create a", "create b", "create c"]
    assert sorted(project.names()) == ["a", "b", "c", "d", "g"]


def test_existing_dependents_survive(project: Project, fake: FakeProvider) -> None:
    """What exists and is skipped because of a failed update keeps its thing and its place in the state (A2, F15)."""
    project.program('a = Thing("a", size=1)', 'Thing("b", size=a.size)', 'Thing("old")').up()
    fake.well()
    fake.fail("update a")

    project.program('a = Thing("a", size=2)', 'Thing("b", size=a.size)').up("--continue-on-error", code=1)

    assert sorted(fake.things) == ["a-1", "b-1", "old-1"]
    assert sorted(project.names()) == ["a", "b", "old"]


def test_failed_look_stops_only_its_dependents(project: Project, fake: FakeProvider) -> None:
    """A `.get` that fails, or that hangs on a failure, skips what depends on it, and the rest is made (F15)."""
    fake.fail("create a", "broken")

    run = project.program(
        'a = Thing("a")',
        'e = Thing("e", opts=ResourceOptions(id="nothing"))',
        'Thing("f", size=e.out)',
        'h = Thing("h", size=a.out, opts=ResourceOptions(id="found", depends_on=a))',
        'd = Thing("d")',
        'Thing("late", size=d.out)',
    ).up("--continue-on-error", code=1)

    assert sorted(fake.changed) == ["create a", "create d", "create late"]
    assert len(run.said("error")) == 2
    assert any("'nothing' does not exist" in text for text in run.said("error"))
    assert [call.name for call in fake.calls if call.method == "read"] == ["e"]
