"""deletedWith: what vanishes with another thing needs no delete of its own."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

LINES = 'a = Thing("a", fixed={})', 'Thing("b", opts=ResourceOptions(deleted_with=a))'


def test_no_delete_of_its_own(project: Project, fake: FakeProvider) -> None:
    """When both go, only the one that takes the other with it is deleted; alone, each is deleted (C7)."""
    project.program(LINES[0].format(1), LINES[1]).up()
    fake.well()

    project.destroy()
    assert fake.changed == ["delete a"]
    assert project.names() == []

    project.up()
    fake.well()
    project.program(LINES[0].format(1)).up()
    assert fake.changed == ["delete b"]


def test_replaced_with_it(project: Project, fake: FakeProvider) -> None:
    """When the thing that takes it along is replaced, so is what is deleted with it, without a delete call (B3, C7)."""
    project.program(LINES[0].format(1), LINES[1]).up()
    fake.well()

    run = project.program(LINES[0].format(2), LINES[1]).up()

    assert run.changes == {"replace": 2}
    assert [call for call in fake.changed if call.startswith("create")] == ["create a", "create b"]
    assert project.resource("b").id == "b-2"
    assert "delete a" in fake.changed
