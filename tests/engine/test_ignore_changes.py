"""ignoreChanges: the value in the state takes precedence over the value in the program."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider, plain
from tests.engine.harness import Project

LINE = 'Thing("a", size={}, box={{"depth": {}, "width": {}}}, opts=ResourceOptions(ignore_changes={}))'


def test_ignored_paths_keep_their_old_value(project: Project, fake: FakeProvider) -> None:
    """After the create, an ignored property, also a nested one, neither updates nor is written down (B2)."""
    project.program(LINE.format(1, 1, 1, ["size", "box.depth"])).up()
    assert fake.things["a-1"] == {"size": 1, "box": {"depth": 1, "width": 1}}
    fake.well()
    project.program(LINE.format(2, 2, 1, ["size", "box.depth"])).up()
    assert fake.changed == []

    project.program(LINE.format(3, 3, 9, ["size", "box.depth"])).up()

    (request,) = fake.asked("update a")
    assert plain(request.news) == {"size": 1, "box": {"depth": 1, "width": 9}}
    assert list(request.ignoreChanges) == ["size", "box.depth"]
    assert project.resource("a").inputs == {"size": 1, "box": {"depth": 1, "width": 9}}


def test_replacement_keeps_the_ignored_value(project: Project, fake: FakeProvider) -> None:
    """A resource that is replaced for another reason gets the old value of what is ignored (B2)."""
    line = 'Thing("a", size={}, fixed={}, opts=ResourceOptions(ignore_changes=["size"]))'
    project.program(line.format(1, 1)).up()

    project.program(line.format(2, 2)).up()

    assert fake.things == {"a-2": {"size": 1, "fixed": 2}}


def test_impossible_path_is_only_mentioned(project: Project, fake: FakeProvider) -> None:
    """A path that cannot be kept, because its list has another length now, is told as information (B2)."""
    line = 'Thing("a", list={}, opts=ResourceOptions(ignore_changes=["list[1]"]))'
    project.program(line.format([1, 2])).up()
    fake.well()

    run = project.program(line.format([1])).up()

    assert any("cannot ignore changes" in text and "list[1]" in text for text in run.said("info"))
    assert fake.changed == ["update a"]
