"""Half-made: the provider made or changed something that did not become ready. It is kept, with the reasons."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project


def test_half_made_create_is_kept(project: Project, fake: FakeProvider) -> None:
    """A thing that was created and did not become ready is in the state with the reasons, and the run fails (F7)."""
    fake.half_make("create a", "port 80 does not answer")

    run = project.program('a = Thing("a", size=1)', 'Thing("b", size=a.out)').up(code=1)

    assert "port 80 does not answer" in run.error
    state = project.resource("a")
    assert (state.id, state.init_errors) == ("a-1", ["port 80 does not answer"])
    assert fake.changed == ["create a"]
    assert project.pending() == []
    project.destroy()
    assert fake.things == {}


def test_half_done_update_keeps_the_old_inputs(project: Project, fake: FakeProvider) -> None:
    """After an update that was half done the state has the old inputs and the new outputs, so it is done again (F7)."""
    project.program('Thing("a", size=1)').up()
    fake.half_make("update a")
    project.program('Thing("a", size=2)').up(code=1)
    state = project.resource("a")
    assert (state.inputs["size"], state.outputs["size"], state.init_errors) == (1, 2, ["not ready"])

    fake.well()
    project.up()

    assert fake.changed == ["update a"]
    assert (project.resource("a").inputs["size"], project.resource("a").init_errors) == (2, [])


def test_failed_update_keeps_everything(project: Project, fake: FakeProvider) -> None:
    """After an update that failed without an effect the state is as it was, and the next up tries again (F2)."""
    project.program('Thing("a", size=1)').up()
    fake.fail("update a", "no room")
    run = project.program('Thing("a", size=2)').up(code=1)
    assert "no room" in run.error
    assert project.resource("a").outputs["size"] == 1

    fake.well()
    project.up()
    assert fake.changed == ["update a"]


def test_half_made_replacement_is_the_living_one(project: Project, fake: FakeProvider) -> None:
    """A replacement that did not become ready is kept, and the old one is deleted by the next up (C1, F7)."""
    project.program('Thing("a", fixed=1)').up()
    fake.half_make("create a")
    project.program('Thing("a", fixed=2)').up(code=1)
    assert project.resource("a").id == "a-2"
    assert sorted(fake.things) == ["a-1", "a-2"]

    fake.well()
    project.up()

    assert sorted(fake.changed) == ["delete a", "update a"]
    assert sorted(fake.things) == ["a-2"]


def test_failed_create_of_a_dynamic_thing(project: Project) -> None:
    """What a dynamic provider raises is in the message, what was made before is kept, and the next up goes on (F2)."""
    project.fault("create b", "fail")
    lines = "import thing", 'a = thing.Thing("a")', 'thing.Thing("b", text=a.size.apply(str))'

    run = project.program(*lines).up(code=1)
    assert "no create b today" in run.error
    assert list(project.things()) == ["a"]

    project.up()
    assert project.log() == ["create a", "create b", "create b"]
