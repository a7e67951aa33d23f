"""Update and same: what did not change is left alone, what did is changed in place, and who decides."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider, plain
from tests.engine.harness import Project


def test_up_again_does_nothing(project: Project, fake: FakeProvider) -> None:
    """A second up of the same program calls no provider to change something, and says so (B5, I4)."""
    project.program('a = Thing("a", size=1, tags={"x": [1, 2.5, None, True]})', 'Thing("b", size=a.out)').up()
    fake.well()

    run = project.up("--expect-no-changes")

    assert fake.changed == []
    assert run.changes == {}


def test_only_what_changed_is_updated(project: Project, fake: FakeProvider) -> None:
    """A changed input updates that one resource, also when the provider leaves comparing to the engine (B4, B5)."""
    project.program('Thing("a", size=1)', 'Thing("b", size=1)').up()
    for size, compares in ((2, True), (3, False)):
        fake.well()
        fake.compares = compares
        project.program(f'Thing("a", size={size})', 'Thing("b", size=1)').up()
        assert fake.changed == ["update a"]

    request = fake.asked("update a")[0]
    assert (plain(request.old_inputs)["size"], plain(request.news)["size"]) == (2, 3)
    assert project.resource("a").inputs["size"] == 3


def test_update_reaches_the_dependents(project: Project, fake: FakeProvider) -> None:
    """What an update made of an output is what the dependents are compared with (B5)."""
    program = 'a = Thing("a", name="{}")', 'Thing("b", size=a.out)'
    project.program(program[0].format("one"), program[1]).up()
    fake.well()

    project.program(program[0].format("two"), program[1]).up()

    assert fake.changed == ["create a", "update b", "delete a"]
    assert fake.things["b-1"]["size"] == "out of two"


def test_new_dependency_is_written_down(project: Project, fake: FakeProvider) -> None:
    """A resource that only got another dependency is the same, but the state says what it depends on now (F5)."""
    project.program('a = Thing("a")', 'Thing("b")').up()
    fake.well()

    run = project.program('a = Thing("a")', 'Thing("b", opts=ResourceOptions(depends_on=a))').up()

    assert run.changes == {}
    assert fake.changed == []
    assert project.resource("b").dependencies == [project.urn("a")]


def test_custom_timeouts_reach_the_provider(project: Project, fake: FakeProvider) -> None:
    """customTimeouts arrive as seconds at create, update and delete, the last from the state (B10)."""
    limits = (
        'o = ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="1m", update="90s", delete="1h"))'
    )
    project.program("import pulumi", limits, 'Thing("a", size=1, opts=o)').up()
    project.program("import pulumi", limits, 'Thing("a", size=2, opts=o)').up()
    project.destroy()

    seconds = [fake.asked(f"{verb} a")[0].timeout for verb in ("create", "update", "delete")]
    assert seconds == [60, 90, 3600]


def test_expect_no_changes(project: Project, fake: FakeProvider) -> None:
    """With --expect-no-changes a change that the preview finds fails the command before it is made."""
    project.program('Thing("a", size=1)').up()
    fake.well()

    project.program('Thing("a", size=2)').run("up", "--expect-no-changes", code=1)

    assert fake.changed == []
