"""Locks: one run at a time changes a stack, and a run that died does not stand in the way."""

from __future__ import annotations

import json
import os
import socket
import uuid
from pathlib import Path

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project, command_line_error


def locks(project: Project) -> Path:
    """Where the stack's locks are."""
    return project.backend / ".pulumi" / "locks" / "organization" / "tested" / "dev"


def lock(project: Project, text: str) -> Path:
    """A lock that somebody else left."""
    path = locks(project) / f"{uuid.uuid4()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def holder(pid: int, host: str = "") -> str:
    """A lock file as the official engine writes it."""
    who = {"pid": pid, "username": "somebody", "hostname": host or socket.gethostname()}
    return json.dumps({**who, "timestamp": "2026-01-01T00:00:00Z"})


def test_living_run_is_not_disturbed(project: Project, fake: FakeProvider) -> None:
    """While one run changes the stack, others that would are refused with exit code 2; a preview is not (F18)."""
    hold = fake.hold("create a")
    child = project.program('Thing("a")').start("up", "--skip-preview")
    hold.wait()
    for arguments in (["up"], ["stack", "rm"]):
        message = command_line_error(project.run(*arguments, code=2))
        assert message.startswith(f"stack dev is locked by pid {child.pid} of ")
    project.preview()
    hold.release.set()
    project.finished(child)

    assert fake.changed == ["create a"]
    assert list(locks(project).glob("*.json")) == []


def test_dead_locks_are_taken_over(project: Project, fake: FakeProvider) -> None:
    """A lock whose process is gone, and files that are no lock, are taken over, each with a message (1.6.4)."""
    paths = [lock(project, text) for text in (holder(2**22 + 1), "", '{"pid": 1')]

    run = project.program('Thing("a")').up()

    assert len([message for message in run.said("warning") if "lock" in message]) == len(paths)
    assert not any(path.exists() for path in paths)
    assert project.names() == ["a"]


def test_foreign_locks_are_respected_until_cancel(project: Project, fake: FakeProvider) -> None:
    """A lock of a living process, and of one on another host, is respected, and `cancel` removes all (F14)."""
    for text in (holder(os.getpid()), holder(1, "another-host")):
        path = lock(project, text)
        project.program('Thing("a")').run("up", code=2)
    assert fake.changed == []

    assert "somebody" in project.run("cancel").out
    assert not path.exists()
    project.up()


def test_failed_and_stopped_runs_give_it_back(project: Project, fake: FakeProvider) -> None:
    """A run that fails, or is refused, leaves no lock behind (F18)."""
    fake.fail("create a")
    project.program('Thing("a")').up(code=1)
    project.program('raise ValueError("boom")').run("up", code=1)

    assert list(locks(project).glob("*")) == []
