"""retainOnDelete: the state forgets the resource, and the thing stays."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

RETAINED = "opts=ResourceOptions(retain_on_delete=True)"


def test_delete_and_replace_leave_the_thing(project: Project, fake: FakeProvider) -> None:
    """A retained thing is not deleted, neither when it is replaced nor when it is no longer wanted (C7)."""
    project.program(f'Thing("a", fixed=1, {RETAINED})').up()
    project.program(f'Thing("a", fixed=2, {RETAINED})').up()
    project.program().up()

    assert fake.changed == ["create a", "create a"]
    assert sorted(fake.things) == ["a-1", "a-2"]
    assert project.names() == []


def test_children_inherit_it(project: Project, fake: FakeProvider) -> None:
    """A child is retained with its parent unless it says otherwise (C8)."""
    project.program(
        f'g = Group("g", {RETAINED})',
        'Thing("a", opts=ResourceOptions(parent=g))',
        'Thing("b", opts=ResourceOptions(parent=g, retain_on_delete=False))',
    ).up()

    project.destroy()

    assert sorted(fake.things) == ["a-1"]
