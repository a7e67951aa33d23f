"""Side by side: what does not depend on each other runs at once, as much as --parallel allows."""

from __future__ import annotations

import threading
import time

import grpc

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project

FOUR = [f'Thing("t{i}")' for i in range(4)]


def test_independent_creates_and_deletes_overlap(project: Project, fake: FakeProvider) -> None:
    """Two resources that do not depend on each other are created at once, and deleted at once (A1, A3)."""
    project.program('Thing("a")', 'Thing("b")')
    for verb in ("create", "delete"):
        holds = [fake.hold(f"{verb} {name}") for name in "ab"]
        child = project.start("up" if verb == "create" else "destroy", "--skip-preview")
        for hold in holds:
            hold.wait()  # both are under way before either is done
        for hold in holds:
            hold.release.set()
        project.finished(child)

    assert fake.things == {}


def test_a_dependent_waits(project: Project, fake: FakeProvider) -> None:
    """A dependent's create does not begin before the create it depends on is done (A1)."""
    project.program('a = Thing("a")', 'Thing("b", opts=ResourceOptions(depends_on=a))', 'Thing("c")')
    first = fake.hold("create a")
    child = project.start("up", "--skip-preview")
    first.wait()
    deadline = time.monotonic() + 10
    while "create c" not in fake.changed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(fake.changed) == ["create a", "create c"]

    first.release.set()
    project.finished(child)

    assert fake.changed[-1] == "create b"


def test_parallel_limits_the_steps(project: Project, fake: FakeProvider) -> None:
    """--parallel 1 does one step at a time, and --parallel 2 never more than two (A1)."""
    lock = threading.Lock()
    running, most = 0, 0

    def count(_: grpc.ServicerContext) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.1)
        with lock:
            running -= 1

    fake.before = {f"{verb} t{i}": count for verb in ("create", "delete") for i in range(4)}
    project.program(*FOUR).up("--parallel", "1")
    assert most == 1

    project.destroy("--parallel", "2")
    assert most == 2


def test_many_at_once_keep_the_state_sound(project: Project, fake: FakeProvider) -> None:
    """Forty resources side by side are each made once and each written down once (F4)."""
    lines = ["all = [Thing(f'n{i}', size=i) for i in range(30)]"]
    lines += [
        "for i in range(10): Thing(f'm{i}', size=all[i].out, opts=ResourceOptions(depends_on=all[i:i + 3]))"
    ]

    project.program(*lines).up("--parallel", "16")

    assert len(fake.changed) == len(set(fake.changed)) == len(set(project.names())) == 40
    assert project.pending() == []
    assert project.up().changes == {}
