"""Delete before replace: for names that only one thing can have; with everything that could not survive it."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

# b is replaced when its `fixed` changes, c only updated when its `size` does; d does not depend on anything.
CASCADE = (
    'a = Thing("a", slot={})',
    'b = Thing("b", fixed=a.out)',
    'c = Thing("c", size=a.out)',
    'Thing("d", fixed=b.out)',
    'Thing("e")',
)


def cascade(slot: int) -> list[str]:
    """The program with one value for the slot."""
    return [CASCADE[0].format(slot), *CASCADE[1:]]


def test_dependents_that_would_be_replaced_go_first(project: Project, fake: FakeProvider) -> None:
    """What would be replaced along with it is deleted before it, dependents first, and created after it (C2, C3)."""
    project.program(*cascade(1)).up()
    fake.well()

    run = project.program(*cascade(2)).up()

    assert fake.changed[:5] == ["delete d", "delete b", "delete a", "create a", *fake.changed[4:5]]
    assert sorted(fake.changed[4:]) == ["create b", "create d", "update c"]
    assert fake.changed.index("create b") < fake.changed.index("create d")
    assert run.changes == {"replace": 3, "update": 1}


def test_option_wins_over_provider(project: Project, fake: FakeProvider) -> None:
    """The option deleteBeforeReplace says which comes first; unset, the provider's Diff does (C2)."""
    line = 'Thing("{}", {}={}, opts=ResourceOptions(delete_before_replace={}))'
    cases = ("asked", "fixed", "True"), ("forbidden", "slot", "False"), ("unset", "slot", "None")
    project.program(*(line.format(name, key, 1, option) for name, key, option in cases)).up()
    fake.well()

    project.program(*(line.format(name, key, 2, option) for name, key, option in cases)).up()

    order = {name: [call.split()[0] for call in fake.changed if call.endswith(name)] for name, _, _ in cases}
    first = ["delete", "create"]
    assert order == {"asked": first, "forbidden": ["create", "delete"], "unset": first}


def test_protected_dependent_blocks(project: Project, fake: FakeProvider) -> None:
    """When a dependent that would have to go is protected, nothing is deleted (C6)."""
    lines = 'a = Thing("a", slot={})', 'Thing("b", fixed=a.out, opts=ResourceOptions(protect=True))'
    project.program(lines[0].format(1), lines[1]).up()
    fake.well()

    run = project.program(lines[0].format(2), lines[1]).up(code=1)

    assert "protected" in run.error
    assert fake.changed == []
    assert sorted(fake.things) == ["a-1", "b-1"]


def broken_off(project: Project, fake: FakeProvider) -> None:
    """A run that deleted, and then could not create: the state is left with a pending replacement."""
    project.program('Thing("a", slot=1)').up()
    fake.fail("create a")
    project.program('Thing("a", slot=2)').up(code=1)
    assert project.resource("a").pending_replacement
    assert fake.things == {}
    fake.well()


def test_broken_off_replacement_is_resumed(project: Project, fake: FakeProvider) -> None:
    """What was deleted and not yet created again is left alone by a refresh and created by the next up (C4, E1)."""
    broken_off(project, fake)
    project.refresh()
    assert fake.asked("read a") == []
    assert project.resource("a").pending_replacement

    project.up()

    assert fake.changed == ["create a"]
    assert not project.resource("a").pending_replacement


def test_broken_off_replacement_is_forgotten(project: Project, fake: FakeProvider) -> None:
    """A pending replacement that is no longer wanted leaves the state, and no provider is asked to delete it (C4)."""
    broken_off(project, fake)

    project.destroy()

    assert fake.changed == []
    assert project.names() == []


def test_broken_off_cascade_is_resumed(project: Project, fake: FakeProvider) -> None:
    """A cascade that was broken off after its deletes is taken up again and ends as wanted (C2, C4)."""
    project.program(*cascade(1)).up()
    fake.fail("create a")
    project.program(*cascade(2)).up(code=1)
    fake.well()

    project.up()

    assert sorted(fake.changed) == ["create a", "create b", "create d", "update c"]
    assert len(fake.things) == 5
