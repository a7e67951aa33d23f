"""Components: resources without a thing of their own, that hold others together."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

LINES = (
    'g = Group("g")',
    'a = Thing("a", size=1, opts=ResourceOptions(parent=g))',
    'g.register_outputs({"size": a.size, "where": a.out})',
)


def test_component_is_only_written_down(project: Project, fake: FakeProvider) -> None:
    """A component has no id and no provider, no provider hears of it, and its outputs are those of the last run (D1)."""
    project.program(*LINES).up()

    state = project.resource("g")
    assert (state.custom, state.id, state.provider) == (False, "", "")
    assert state.outputs == {"size": 1, "where": "out of a-1"}
    assert {call.name for call in fake.calls} <= {"a", "default"}

    project.program(*LINES[:2], 'g.register_outputs({"other": 2})').up()

    assert project.resource("g").outputs == {"other": 2}


def test_outputs_are_not_compulsory(project: Project, fake: FakeProvider) -> None:
    """A component that never registers outputs is written down all the same (D1)."""
    project.program(*LINES[:2]).up()

    assert project.names() == ["g", "a"]


def test_depending_on_a_component(project: Project, fake: FakeProvider) -> None:
    """What depends on a component is made after the component's children and deleted before them (A7)."""
    project.program(*LINES, 'Thing("b", opts=ResourceOptions(depends_on=g))').up()
    assert fake.changed == ["create a", "create b"]
    fake.well()

    project.destroy()

    assert fake.changed == ["delete b", "delete a"]
