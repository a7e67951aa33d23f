"""Adopting and looking: the option import_, and `.get`, which reads what somebody else made."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

IMPORT = 'Thing("a", size={}, opts=ResourceOptions(import_="found"))'
GET = (
    'e = Thing("e", opts=ResourceOptions(id="found"))',
    'Thing("b", size=e.out)',
)


def test_import_adopts(project: Project, fake: FakeProvider) -> None:
    """An imported thing is adopted as it is, is the program's from then on, and goes with destroy (E5)."""
    fake.things["found"] = {"size": 1}
    project.program(IMPORT.format(1)).up()
    assert fake.changed == []
    state = project.resource("a")
    assert (state.id, state.import_id, state.outputs["out"]) == ("found", "found", "out of found")

    project.program(IMPORT.format(2)).up()
    project.destroy()
    assert fake.changed == ["update a", "delete a"]


def test_import_of_nothing(project: Project, fake: FakeProvider) -> None:
    """Importing what does not exist is an error that says so, and nothing is created in its place (E5)."""
    run = project.program(IMPORT.format(1)).up(code=1)

    assert "'found' does not exist" in run.error
    assert fake.changed == []
    assert project.pending() == []


def test_import_must_match(project: Project, fake: FakeProvider) -> None:
    """Importing fails and names the inputs when the program says something else than what is there (E5)."""
    fake.things["found"] = {"size": 5}

    run = project.program(IMPORT.format(1)).up(code=1)

    assert "size" in run.error
    assert fake.changed == []
    assert fake.things["found"] == {"size": 5}


def test_get_is_never_deleted(project: Project, fake: FakeProvider) -> None:
    """What the program only looks at is in the state as external, feeds its dependents, and is never deleted (C7)."""
    fake.things["found"] = {"size": 3}
    project.program(*GET).up()
    assert project.resource("e").external
    assert fake.things["b-1"]["size"] == "out of found"

    fake.well()
    project.destroy()

    assert fake.changed == ["delete b"]
    assert "found" in fake.things


def test_get_of_nothing(project: Project, fake: FakeProvider) -> None:
    """Looking at what does not exist fails, and what depends on it is not made (E5)."""
    run = project.program(*GET).up(code=1)

    assert "'found' does not exist" in run.error
    assert fake.changed == []
