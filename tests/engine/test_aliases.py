"""Aliases: a resource that was renamed, moved or retyped is the same thing as before."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

OLD = "opts=ResourceOptions(aliases=[pulumi.Alias(name='old')])"


def test_same_thing_under_another_urn(project: Project, fake: FakeProvider) -> None:
    """A resource that was renamed, retyped or moved keeps its thing, and references to it are renamed too (D4, D5)."""
    project.program(
        'a = Thing("old")', 'Thing("b", size=a.out)', 'Thing("old-urn")', 'Thing("typed")', 'Thing("moved")'
    ).up()
    fake.well()

    urn, root = "urn:pulumi:dev::tested::fake:index:Thing::old-urn", "pulumi.ROOT_STACK_RESOURCE"
    run = project.program(
        f'a = Thing("new", {OLD})',
        'Thing("b", size=a.out)',
        f'Thing("new-urn", opts=ResourceOptions(aliases=["{urn}"]))',
        'Other("typed", opts=ResourceOptions(aliases=[pulumi.Alias(type_="fake:index:Thing")]))',
        'g = Group("g")',
        f'Thing("moved", opts=ResourceOptions(parent=g, aliases=[pulumi.Alias(parent={root})]))',
    ).up()

    assert fake.changed == []
    assert run.changes == {"create": 1}  # the component
    assert sorted(project.names()) == ["b", "g", "moved", "new", "new-urn", "typed"]
    assert [project.resource(name).id for name in ("new", "new-urn")] == ["old-1", "old-urn-1"]
    assert project.resource("b").dependencies == [project.urn("new")]
    assert project.resource("b").property_dependencies["size"] == [project.urn("new")]
    assert project.resource("typed").type == "fake:index:Other"
    assert project.resource("moved").parent == project.urn("g", "tested:index:Group")


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
