"""Refresh: the state learns what is really there, and nothing real is changed."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider, plain
from tests.engine.harness import Project

LINES = (
    'a = Thing("a", size=1)',
    'b = Thing("b", size=a.size, opts=ResourceOptions(depends_on=a))',
    'Thing("c", opts=ResourceOptions(parent=a))',
)


def test_drift_is_learnt_and_mended(project: Project, fake: FakeProvider) -> None:
    """A thing that was changed behind the engine's back is seen by refresh, and put right by the next up (E1)."""
    project.program(*LINES).up()
    fake.well()
    fake.things["a-1"]["size"] = 9

    run = project.refresh()
    assert run.changes == {"update": 1}
    assert (project.resource("a").inputs["size"], project.resource("a").outputs["size"]) == (9, 9)
    (read,) = fake.asked("read a")
    assert (read.id, plain(read.inputs), plain(read.properties)["size"]) == ("a-1", {"size": 1}, 1)
    assert fake.changed == []

    assert project.refresh("--expect-no-changes").changes == {}
    project.up()
    assert fake.changed == ["update a"]


def test_gone_leaves_the_state(project: Project, fake: FakeProvider) -> None:
    """What is gone leaves the state, what depended on it no longer does, and its child goes to its parent (E1)."""
    project.program(*LINES).up()
    del fake.things["a-1"]

    run = project.refresh()

    assert run.changes == {"delete": 1}
    assert sorted(project.names()) == ["b", "c"]
    assert project.resource("b").dependencies == []
    assert project.resource("c").parent == project.resource("b").parent != ""


def test_gone_is_made_again(project: Project, fake: FakeProvider) -> None:
    """up --refresh makes again what was gone, and only that (E4)."""
    project.program('Thing("a")', 'Thing("b")').up()
    fake.well()
    del fake.things["a-1"]

    project.up("--refresh")

    assert fake.changed == ["create a"]
    assert sorted(fake.things) == ["a-2", "b-1"]


def test_destroy_after_refresh_skips_the_gone(project: Project, fake: FakeProvider) -> None:
    """destroy --refresh does not delete what is gone already (E4)."""
    project.program('Thing("a")', 'Thing("b")').up()
    fake.well()
    del fake.things["a-1"]

    project.destroy("--refresh")

    assert fake.changed == ["delete b"]
    assert project.names() == []


def test_unready_is_a_warning(project: Project, fake: FakeProvider) -> None:
    """A thing that is there but not ready is a warning and kept as such, and refreshing does not fail (E2)."""
    project.program('Thing("a")').up()
    fake.half_make("read a", "still starting")

    run = project.refresh()

    assert any("still starting" in text for text in run.said("warning"))
    assert project.resource("a").init_errors == ["still starting"]


def test_failed_read_keeps_the_state(project: Project, fake: FakeProvider) -> None:
    """When a thing cannot be read the command fails and the state keeps what it knew, the others too (E1)."""
    project.program('Thing("a")', 'Thing("b")').up()
    fake.fail("read a", "no answer")

    run = project.refresh(code=1)

    assert "no answer" in run.error
    assert sorted(project.names()) == ["a", "b"]


def test_targets_of_a_refresh(project: Project, fake: FakeProvider) -> None:
    """refresh --target reads only what is named; providers and components are never read (E1, E6)."""
    project.program('Group("g")', 'Thing("a")', 'Thing("b")').up()

    project.refresh("--target", "*::a")

    assert [call.name for call in fake.calls if call.method == "read"] == ["a"]
