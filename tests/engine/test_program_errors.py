"""The program fails: what was made before is kept, nothing is deleted, and the user sees his own lines only."""

from __future__ import annotations

import time

import pytest

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project


def test_what_was_made_is_kept_and_nothing_deleted(project: Project, fake: FakeProvider) -> None:
    """When the program fails, the steps that were done stay done, and no resource is deleted (A2, A8)."""
    project.program('Thing("old")').up()
    fake.well()
    run = project.program('Thing("new")', 'raise ValueError("boom")').up(code=1)

    assert any("boom" in text for text in run.said("error"))
    assert fake.changed == ["create new"]
    assert sorted(project.names()) == ["new", "old"]


def test_traceback_is_short(project: Project, fake: FakeProvider) -> None:
    """What the program raises is shown with the lines of the program only, neither the SDK's nor the engine's (A8)."""
    run = project.program("def build():", '    raise ValueError("boom")', "", "build()").run("up", code=1)

    assert "ValueError: boom" in run.err
    assert 'in build\n    raise ValueError("boom")' in run.err
    assert "runpy" not in run.err
    assert "site-packages" not in run.err
    assert "/engine/program" not in run.err
    assert run.err.count("\n") <= 8


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("import nothing_of_this_name", "nothing_of_this_name"),
        ("this is no Python", "invalid syntax"),
        ("import os; os._exit(4)", "4"),
    ],
    ids=["import", "syntax", "vanishes"],
)
def test_each_way_to_fail(project: Project, fake: FakeProvider, line: str, says: str) -> None:
    """A program that cannot be imported or parsed, or that ends by itself, fails the run with a word on why (A8)."""
    run = project.program(line).run("up", code=1)

    assert says in run.err
    assert fake.changed == []


def test_program_that_waits_for_a_failure(project: Project, fake: FakeProvider) -> None:
    """When a step fails, the program is ended, also if something in it would take long (F16)."""
    fake.fail("create a", "no")
    started = time.monotonic()

    run = project.program(
        "import asyncio", 'Thing("a")', 'export("late", Output.from_input(asyncio.sleep(50)))'
    ).up(code=1)

    assert "could not be created: no" in run.error
    assert time.monotonic() - started < 20


def test_resource_after_a_failure_is_not_made(project: Project, fake: FakeProvider) -> None:
    """After a failure no new step begins, while the one under way may finish and is written down (A8, F16)."""
    hold = fake.hold("create slow")
    fake.fail("create bad")
    lines = 'Thing("slow")', 'b = Thing("bad")', 'Thing("late", size=b.out)'
    child = project.program(*lines).start("up", "--skip-preview", "--json")
    hold.wait()
    hold.release.set()
    project.finished(child, code=1)

    assert project.names() == ["slow"]
    assert "create late" not in fake.changed
