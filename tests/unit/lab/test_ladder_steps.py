"""The ladder's own steps with and without root: each is one rung more than the one before, and can be climbed."""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest

from lab.commands import ladder
from lab.ladder import steps
from lab.ladder.steps import VARIANTS, Step, names
from substrates import namespaces, rungs

ROOT_ONLY = ("network", "limits")


class Writer:
    """Keeps what the verb notes."""

    def __init__(self) -> None:
        self.stacks: dict[str, dict[str, Any]] = {}

    def set_stack(self, name: str, facts: dict[str, Any]) -> None:
        self.stacks[name] = facts


@pytest.fixture
def definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps of no artifact: what is asked of them is in their names."""
    monkeypatch.setattr(namespaces, "for_ladder", lambda artifact, prefix, variant: prefix)


def own() -> tuple[list[Step], list[steps.Missing]]:
    """The steps of our own rungs."""
    return steps.apart(steps._own(None))  # type: ignore[arg-type]


@pytest.mark.parametrize("user", [0, 1000])
def test_every_step_can_be_climbed(user: int, definitions: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each prefix is accepted as it is, and is the one before with one rung more; names are as many."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    prefixes = rungs.prefixes()

    assert prefixes[0] == ()
    assert all(long[:-1] == short for short, long in itertools.pairwise(prefixes))
    for prefix in prefixes:
        rungs.check(prefix)
    assert len(names()) == len(prefixes) == len(set(names()))
    assert [(step.after, step.adds) for step in own()[0] if step.variant == "null"] == [
        (before, prefix[-1] if prefix else "")
        for before, prefix in zip(["", *names()], prefixes, strict=False)
    ]


def test_as_root_all_are_there(definitions: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the ladder's order, the last is called `all`, and none is missing."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found, missing = own()

    assert [step.name for step in found if step.variant == "null"] == ["fork+exec", *rungs.NAMES[:-1], "all"]
    assert missing == []


def test_without_root_user_comes_first(definitions: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rung that needs no root has a row of its own, `user` before all; the two others state that they need root."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found, missing = own()
    others = [name for name in rungs.NAMES if name not in (*ROOT_ONLY, "user")]

    assert [step.name for step in found if step.variant == "null"] == ["fork+exec", "user", *others]
    assert [(gap.rung, gap.variant) for gap in missing] == [(n, v) for n in ROOT_ONLY for v in VARIANTS]
    assert all(gap.rung in gap.reason and "needs root" in gap.reason for gap in missing)


def test_the_step_before_is_noted(definitions: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of a run names the step before, by which the figures know whether that was measured."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    writer = Writer()

    ladder._note(writer, *own())  # type: ignore[arg-type]

    assert writer.stacks["fork+exec (null)"]["after"] == ""
    assert writer.stacks["user (service)"]["after"] == "fork+exec"
    assert writer.stacks["mount (null)"]["after"] == "user"
    assert writer.stacks["network (null)"]["available"] is False
