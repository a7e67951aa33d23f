"""Stopping: once, and what is under way may finish; twice, and the command ends at once, as if killed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import grpc
import pytest

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

LINES = 'a = Thing("a")', 'Thing("b", size=a.out)'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once(project: Project, fake: FakeProvider, number: int) -> None:
    """On the first signal the provider is told, the running step ends and is written down, and no new one begins (F13)."""
    hold = fake.hold("create a")
    child = project.program(*LINES).start("up", "--skip-preview")
    hold.wait()
    child.send_signal(number)
    assert fake.cancelled.wait(10)
    hold.release.set()

    run = project.finished(child, code=1)

    assert "stopping" in run.err
    assert fake.changed == ["create a"]
    assert project.names() == ["a"]
    assert project.pending() == []


def test_twice(project: Project, fake: FakeProvider) -> None:
    """On the second signal the command ends at once; its state says what was under way, and the next up goes on (F13)."""
    hold = fake.hold("create a")
    child = project.program('Thing("a", name="x")').start("up", "--skip-preview")
    hold.wait()
    child.send_signal(signal.SIGINT)
    assert fake.cancelled.wait(10)
    child.send_signal(signal.SIGINT)
    project.finished(child, code=130)
    assert project.pending() == ["creating a"]
    hold.release.set()
    fake.well()
    wait_for(lambda: "x" in fake.things)

    project.up()

    assert fake.changed == []
    assert project.resource("a").id == "x"


def test_provider_that_breaks_off(project: Project, fake: FakeProvider) -> None:
    """A create that the provider breaks off when it is told leaves a pending operation, or what it had made (F8, F13)."""

    started = threading.Event()

    def break_off(context: grpc.ServicerContext) -> None:
        started.set()
        assert fake.cancelled.wait(20)
        context.abort(grpc.StatusCode.CANCELLED, "broken off")

    fake.before["create a"] = break_off
    child = project.program('Thing("a", name="x")').start("up", "--skip-preview")
    assert started.wait(20)
    child.send_signal(signal.SIGINT)

    project.finished(child, code=1)

    assert project.pending() == ["creating a"]
    fake.well()
    project.up()
    assert fake.changed == ["create a"]


def test_stopping_while_the_program_thinks(project: Project, fake: FakeProvider) -> None:
    """A signal while only the program is busy ends it at once, and deletes nothing (A2, F13)."""
    project.program('Thing("old")').up()
    fake.well()
    child = project.program("import time", 'open("busy", "w").close()', "time.sleep(30)").start(
        "up", "--skip-preview"
    )
    wait_for((project.root / "busy").exists)
    child.send_signal(signal.SIGINT)
    started = time.monotonic()

    project.finished(child, code=1)

    assert time.monotonic() - started < 10
    assert project.names() == ["old"]
    assert fake.changed == []


def test_stopping_a_destroy(project: Project, fake: FakeProvider) -> None:
    """A destroy that is stopped finishes the delete under way, and the next one deletes the rest (F13)."""
    project.program(*LINES).up()
    fake.well()
    hold = fake.hold("delete b")
    child = project.start("destroy", "--skip-preview")
    hold.wait()
    child.send_signal(signal.SIGINT)
    assert fake.cancelled.wait(10)
    hold.release.set()
    project.finished(child, code=1)
    assert project.names() == ["a"]

    project.destroy()
    assert fake.changed == ["delete b", "delete a"]


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
