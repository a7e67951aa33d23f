"""--target: only what is named is touched, and everything else stays as it is, in the world and in the state."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

LINES = 'a = Thing("a", size={})', 'Thing("b", size=a.size)', 'Thing("c", size={})'


def program(size: int) -> list[str]:
    """The program with one size for all."""
    return [line.format(size) for line in LINES]


def test_only_targets_are_updated(project: Project, fake: FakeProvider) -> None:
    """up --target updates the named resource, and the others keep their old inputs in the state (E6)."""
    project.program(*program(1)).up()
    fake.well()

    project.program(*program(2)).up("--target", project.urn("a"))

    assert fake.changed == ["update a"]
    assert [project.resource(name).inputs["size"] for name in "abc"] == [2, 1, 1]

    project.up("--target", "*::c")  # a star stands for any text
    assert fake.changed == ["update a", "update c"]


def test_target_needs_what_does_not_exist(project: Project, fake: FakeProvider) -> None:
    """A target that depends on something that is not made, and is no target, is an error; with it, all is well (E6)."""
    project.program(*program(1))

    run = project.up("--target", project.urn("b"), code=1)
    assert "does not exist yet" in run.error
    assert fake.changed == []

    project.up("--target", project.urn("a"), "--target", project.urn("b"))
    assert fake.changed == ["create a", "create b"]
    assert project.names() == ["a", "b"]


def test_deleting_a_target(project: Project, fake: FakeProvider) -> None:
    """destroy --target refuses to take dependents along unless --target-dependents says so (E6)."""
    project.program(*program(1)).up()
    fake.well()

    run = project.destroy("--target", project.urn("a"), code=1)
    assert "--target-dependents" in run.error
    assert fake.changed == []

    project.destroy("--target", project.urn("a"), "--target-dependents")
    assert fake.changed == ["delete b", "delete a"]
    assert project.names() == ["c"]


def test_untargeted_leftovers_stay(project: Project, fake: FakeProvider) -> None:
    """What the program no longer has is not deleted by an up that is aimed at something else (E6)."""
    project.program(*program(1)).up()
    fake.well()

    project.program(LINES[0].format(2)).up("--target", project.urn("a"))

    assert fake.changed == ["update a"]
    assert sorted(project.names()) == ["a", "b", "c"]
