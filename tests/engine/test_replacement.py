"""Replacing, the ordinary way: the new one is created first, and the old one deleted at the end of the run."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project


def test_create_then_delete(project: Project, fake: FakeProvider) -> None:
    """A replacement is created, its dependents follow it, and then the old one is deleted (C1)."""
    lines = 'a = Thing("a", fixed={})', 'Thing("b", size=a.out)'
    project.program(lines[0].format(1), lines[1]).up()
    fake.well()

    run = project.program(lines[0].format(2), lines[1]).up()

    assert fake.changed == ["create a", "update b", "delete a"]
    assert sorted(fake.things) == ["a-2", "b-1"]
    assert run.steps == ["create-replacement a", "update b", "delete-replaced a"]
    assert run.changes == {"replace": 1, "update": 1}
    assert project.names() == ["a", "b"]


def test_failed_create_keeps_the_old(project: Project, fake: FakeProvider) -> None:
    """When the replacement cannot be created, the old one stays and is the living one (C1)."""
    project.program('Thing("a", fixed=1)').up()
    fake.well()
    fake.fail("create a")

    project.program('Thing("a", fixed=2)').up(code=1)

    assert fake.changed == ["create a"]
    assert project.resource("a").id == "a-1"


def test_old_one_that_could_not_be_deleted_goes_later(project: Project, fake: FakeProvider) -> None:
    """A replaced state whose delete failed stays, marked, and the next up deletes it and nothing else (C5)."""
    project.program('Thing("a", fixed=1)').up()
    fake.fail("delete a")
    project.program('Thing("a", fixed=2)').up(code=1)
    assert [(r.id, r.delete) for r in project.state().resources if r.id in ("a-1", "a-2")] == [
        ("a-2", False),
        ("a-1", True),
    ]

    fake.well()
    project.up()

    assert fake.changed == ["delete a"]
    assert sorted(fake.things) == ["a-2"]


def test_destroy_deletes_replaced_ones_too(project: Project, fake: FakeProvider) -> None:
    """Destroy deletes what was replaced and could not be deleted, as well as the living one (C5)."""
    fake.fail("delete a")
    project.program('Thing("a", fixed=1)').up()
    project.program('Thing("a", fixed=2)').up(code=1)

    fake.well()
    project.destroy()

    assert fake.changed == ["delete a"] * 2
    assert fake.things == {}
    assert project.state().resources == []


def test_replace_on_changes(project: Project, fake: FakeProvider) -> None:
    """A change of a property that replaceOnChanges names replaces instead of updating; others still update (B6)."""
    line = 'Thing("a", size={}, box={{"depth": {}}}, opts=ResourceOptions(replace_on_changes=["box.depth"]))'
    project.program(line.format(1, 1)).up()
    fake.well()

    project.program(line.format(2, 1)).up()
    assert fake.changed == ["update a"]

    fake.well()
    project.program(line.format(2, 2)).up()
    assert fake.changed == ["create a", "delete a"]


def test_replacing_the_unready(project: Project, fake: FakeProvider) -> None:
    """With `#initerror` in replaceOnChanges, what did not become ready is replaced, not updated (B6)."""
    fake.half_make("create a")
    project.program('Thing("a", opts=ResourceOptions(replace_on_changes=["#initerror"]))').up(code=1)
    fake.well()

    project.up()

    assert fake.changed == ["create a", "delete a"]
    assert sorted(fake.things) == ["a-2"]
