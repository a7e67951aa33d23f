"""One holder at a time, with a deadline; no other user can hold a lock of ours."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from machine import locks
from machine.errors import VmlabError


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of the test."""
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path))


def test_the_second_waits_and_names_the_holder() -> None:
    """At its deadline it fails with the holder's pid; before it waits it is told once; afterwards the lock is free."""
    waits: list[str] = []
    with (
        locks.held("part", 1),
        pytest.raises(VmlabError, match=r"held by process \d+"),
        locks.held("part", 0.05, waiting=lambda: waits.append("waiting")),
    ):
        pass
    assert waits == ["waiting"]

    with locks.held("part", 0.05, waiting=lambda: waits.append("again")):
        pass
    assert waits == ["waiting"]


def test_other_locks_are_free() -> None:
    """A lock of another name is another lock."""
    with locks.held("one", 0.05), locks.held("two", 0.05):
        assert locks.path_of("one") != locks.path_of("two")


def test_nobody_else_can_open_it() -> None:
    """The file is 0600: a read-only descriptor of another user would suffice for flock."""
    with locks.held("part", 0.05):
        assert stat.S_IMODE(locks.path_of("part").stat().st_mode) == 0o600
