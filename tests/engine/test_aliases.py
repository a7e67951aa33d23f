"""Aliases: a resource that was renamed, moved or retyped is the same thing as before."""

from __future__ import annotations

import pytest

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

OLD = "opts=ResourceOptions(aliases=[pulumi.Alias(name='old')])"


@pytest.mark.parametrize(
    "text",
    ['pulumi.Alias(name="old")', '"urn:pulumi:dev::tested::fake:index:Thing::old"'],
    ids=["by-name", "by-urn"],
)
def test_renamed(project: Project, fake: FakeProvider, text: str) -> None:
    """A renamed resource keeps its thing, and what refers to it refers to the new name (D4, D5)."""
    project.program('a = Thing("old")', 'Thing("b", size=a.out, opts=ResourceOptions(depends_on=a))').up()
    fake.well()

    lines = (
        f'a = Thing("new", opts=ResourceOptions(aliases=[{text}]))',
        'Thing("b", size=a.out, opts=ResourceOptions(depends_on=a))',
    )
    run = project.program(*lines).up()

    assert fake.changed == []
    assert run.changes == {}
    assert project.names() == ["new", "b"]
    assert project.resource("new").id == "old-1"
    assert project.resource("b").dependencies == [project.urn("new")]
    assert project.resource("b").property_dependencies["size"] == [project.urn("new")]


def test_retyped(project: Project, fake: FakeProvider) -> None:
    """A resource whose type was renamed keeps its thing (D4)."""
    project.program('Thing("a")').up()
    fake.well()

    project.program('Other("a", opts=ResourceOptions(aliases=[pulumi.Alias(type_="fake:index:Thing")]))').up()

    assert fake.changed == []
    assert project.resource("a").type == "fake:index:Other"


def test_moved_under_a_parent(project: Project, fake: FakeProvider) -> None:
    """A resource that was put into a component keeps its thing with an alias that says it had no parent (D4)."""
    project.program('Thing("a")').up()
    fake.well()

    opts = "opts=ResourceOptions(parent=g, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)])"
    project.program('g = Group("g")', f'Thing("a", {opts})').up()

    assert fake.changed == []
    assert project.names() == ["g", "a"]


def test_children_follow_a_renamed_parent(project: Project, fake: FakeProvider) -> None:
    """When a component is renamed, children named after it keep their things under their new names (D4)."""
    project.program('g = Group("old")', 'Thing("old-a", opts=ResourceOptions(parent=g))').up()
    fake.well()

    lines = f'g = Group("new", {OLD})', 'Thing("new-a", opts=ResourceOptions(parent=g))'
    project.program(*lines).up()

    assert fake.changed == []
    assert project.names() == ["new", "new-a"]
    assert project.resource("new-a").parent == project.urn("new", "tested:index:Group")


def test_one_state_has_one_heir(project: Project, fake: FakeProvider) -> None:
    """Of two resources with the same alias one takes over the thing, and the other is created (D4)."""
    project.program('Thing("old")').up()
    fake.well()

    project.program(f'Thing("x", {OLD})', f'Thing("y", {OLD})').up()

    assert len(fake.changed) == 1
    assert fake.changed[0] in ("create x", "create y")
    assert len(fake.things) == 2


def test_renamed_in_a_preview(project: Project, fake: FakeProvider) -> None:
    """A preview of a rename shows no change and leaves the state as it was (D4, E7)."""
    project.program('Thing("old")').up()
    before = project.state_file.read_bytes()

    run = project.program(f'Thing("new", {OLD})').preview()

    assert run.changes == {}
    assert project.state_file.read_bytes() == before
