"""Preview: the same questions as an up, with nothing written and nothing made."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project


def test_preview_says_what_up_does(project: Project, fake: FakeProvider) -> None:
    """A preview names the steps that the up after it takes, and touches neither things nor state nor lock (E7, F18)."""
    project.program('Thing("a", size=1)', 'Thing("b")').up()
    before = project.state_file.read_bytes()
    fake.well()

    project.program('a = Thing("a", size=2)', 'Thing("c", size=a.size)')
    foreseen = project.preview()
    assert fake.changed == []
    assert project.state_file.read_bytes() == before
    assert list((project.backend / ".pulumi" / "locks").rglob("*.json")) == []

    done = project.up()
    assert sorted(foreseen.steps) == sorted(done.steps) == ["create c", "delete b", "update a"]
    assert foreseen.changes == done.changes


def test_preview_of_a_new_stack_writes_nothing(project: Project, fake: FakeProvider) -> None:
    """A preview of a stack that has never been up leaves no file in the backend (E7)."""
    project.program('Thing("a")').preview()

    assert [path for path in project.backend.rglob("*") if path.is_file()] == []


def test_up_previews_first(project: Project, fake: FakeProvider) -> None:
    """An up finds a mistake at the end of the program in its preview, before anything is created (E7)."""
    project.program('Thing("a")', 'raise ValueError("the end")').run("up", code=1)

    assert fake.changed == []


def test_expect_no_changes_of_a_preview(project: Project, fake: FakeProvider) -> None:
    """preview --expect-no-changes tells with its exit code whether anything would change."""
    project.program('Thing("a", size=1)').up()
    project.preview("--expect-no-changes")

    project.program('Thing("a", size=2)').preview("--expect-no-changes", code=1)
