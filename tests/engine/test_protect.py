"""protect: a protected resource is neither deleted nor replaced until the program has said otherwise."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

PROTECTED = "opts=ResourceOptions(protect=True)"


def test_delete_is_refused_for_each(project: Project, fake: FakeProvider) -> None:
    """Deleting is refused with one error for each protected resource, and nothing at all is deleted (C6)."""
    project.program(f'Thing("a", {PROTECTED})', f'Thing("b", {PROTECTED})', 'Thing("c")').up()
    fake.well()

    for run in (project.program().up(code=2), project.destroy("--continue-on-error", code=2)):
        errors = run.said("error")
        assert len(errors) == 2
        assert all("protected" in error for error in errors)
    assert fake.changed == []
    assert len(fake.things) == 3


def test_replace_is_refused(project: Project, fake: FakeProvider) -> None:
    """What would replace a protected resource is refused; an update, and taking the protection away, is not (C6)."""
    project.program(f'Thing("a", size=1, fixed=1, {PROTECTED})').up()
    fake.well()

    run = project.program(f'Thing("a", size=1, fixed=2, {PROTECTED})').up(code=1)
    assert "protected" in run.error
    assert fake.changed == []

    project.program(f'Thing("a", size=2, fixed=1, {PROTECTED})').up()
    assert fake.changed == ["update a"]

    project.program('Thing("a", size=2, fixed=2)').up()
    assert fake.changed == ["update a", "create a", "delete a"]


def test_unprotected_first_then_deleted(project: Project, fake: FakeProvider) -> None:
    """One up without protect writes that down and changes nothing; after it the resource can be deleted (C6, F5)."""
    project.program(f'Thing("a", {PROTECTED})').up()
    fake.well()

    assert project.program('Thing("a")').up().changes == {}
    assert not project.resource("a").protect
    project.destroy()

    assert fake.changed == ["delete a"]


def test_children_inherit_it(project: Project, fake: FakeProvider) -> None:
    """A child is protected with its parent unless it says otherwise (C8)."""
    project.program(
        f'g = Group("g", {PROTECTED})',
        'Thing("a", opts=ResourceOptions(parent=g))',
        'Thing("b", opts=ResourceOptions(parent=g, protect=False))',
    ).up()

    assert [project.resource(name).protect for name in ("g", "a", "b")] == [True, True, False]
