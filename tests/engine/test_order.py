"""Order: dependencies first when things are made, dependents first when they go, and only after the program's end."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

CHAIN = (
    'a = Thing("a", size=1)',
    'b = Thing("b", size=a.out)',
    'c = Thing("c", opts=ResourceOptions(depends_on=b))',
)


def test_dependencies_first_and_dependents_last(project: Project, fake: FakeProvider) -> None:
    """What a resource depends on is created and written down before it, and deleted after it (A1, A3, A6)."""
    project.program(*CHAIN).up()
    assert fake.changed == ["create a", "create b", "create c"]
    assert project.names() == ["a", "b", "c"]

    fake.well()
    project.program().up()

    assert fake.changed == ["delete c", "delete b", "delete a"]
    assert project.names() == []


def test_deletes_come_after_the_program(project: Project, fake: FakeProvider) -> None:
    """What the program no longer wants is deleted only when the program is through (A2)."""
    project.program('Thing("old")').up()
    fake.well()

    project.program('new = Thing("new")', 'Thing("newer", size=new.out)').up()

    assert fake.changed == ["create new", "create newer", "delete old"]


def test_failed_delete_spares_its_dependencies(project: Project, fake: FakeProvider) -> None:
    """When a delete fails, what the survivor still needs is not deleted, and the rest is (A3)."""
    project.program(*CHAIN, 'Thing("alone")').up()
    fake.well()
    fake.fail("delete b")

    project.destroy("--continue-on-error", code=1)
    assert sorted(project.names()) == ["a", "b"]
    assert sorted(fake.things) == ["a-1", "b-1"]

    fake.well()
    project.destroy()
    assert fake.changed == ["delete b", "delete a"]


def test_one_registration_a_urn(project: Project, fake: FakeProvider) -> None:
    """The same name registered twice is an error that names it, and the thing is made at most once (A4)."""
    run = project.program('Thing("twin", size=1)', 'Thing("twin", size=2)').up(code=1)

    assert "duplicate resource URN" in run.error
    assert "twin" in run.error
    assert fake.changed in ([], ["create twin"])


def test_urn_holds_the_types_of_the_parents(project: Project, fake: FakeProvider) -> None:
    """A URN is made of stack, project, the parents' types and the name (A4)."""
    project.program(
        'outer = Group("outer")',
        'inner = Group("inner", opts=ResourceOptions(parent=outer))',
        'Thing("leaf", opts=ResourceOptions(parent=inner))',
    ).up()

    chain = "tested:index:Group$tested:index:Group$fake:index:Thing"
    assert project.resource("leaf").urn == f"urn:pulumi:dev::tested::{chain}::leaf"
    assert project.names() == ["outer", "inner", "leaf"]


def test_dynamic_things_in_order(project: Project) -> None:
    """Dynamic resources are really made once each, in order, and really gone after destroy (A1, A3)."""
    project.program(
        "import thing", 'a = thing.Thing("a", text="one")', 'thing.Thing("b", text=a.size.apply(str))'
    )
    project.up()
    assert project.things() == {"a": {"name": "a", "text": "one"}, "b": {"name": "b", "text": "2"}}

    assert project.up().changes == {}
    assert project.refresh("--expect-no-changes").changes == {}
    project.destroy()

    assert project.log() == ["create a", "create b", "delete b", "delete a"]
    assert project.things() == {}
