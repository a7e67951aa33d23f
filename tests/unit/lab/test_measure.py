"""Measuring with substrates that fail: what fails on one does not keep the others from being measured."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lab.analysis.comparison import compare
from lab.measuring import blocks, boots, runs
from lab.measuring.blocks import Tally
from lab.measuring.plan import Plan
from lab.measuring.subjects import Subject
from machine.errors import NeverAnswered, VmlabError
from substrates.contract import Boot, Footprint, Request, Slot
from tests.unit.lab import example

PLAN = Plan(blocks=3, loads=0, seed=7)


class Fake(ModuleType):
    """A substrate whose copies boot in a millisecond; `fail`: what the boot, the look or the end of a number raises."""

    def __init__(self, name: str, **fail: tuple[int, Exception]) -> None:
        super().__init__(name)
        self.fail = fail
        self.booted = 0
        self.living: set[int] = set()

    def _maybe(self, what: str) -> None:
        number, error = self.fail.get(what, (0, Exception()))
        if number == self.booted:
            raise error

    def boot(self, definition: Any, slot: Slot, request: Request) -> Boot:
        """A copy."""
        self.booted += 1
        self._maybe("boot")
        self.living.add(self.booted)
        return Boot(self.booted, {"requested": 0, "accepted": 400_000, "answered": 1_000_000})

    def footprint(self, copy: int) -> Footprint:
        """What it takes."""
        self._maybe("look")
        return Footprint(pss_bytes=1, cgroup_bytes=1, cpu_seconds=0.0, disk_instance_bytes=0)

    def destroy(self, copy: int) -> None:
        """It is gone."""
        self.living.discard(copy)
        self._maybe("end")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No delay before memory is read."""
    monkeypatch.setattr(boots, "SETTLE_SECONDS", 0.0)


def measured(tmp_path: Path, *fakes: Fake) -> tuple[Tally, runs.RunData]:
    """All of them, side by side."""
    run = example.writer(tmp_path)
    for fake in fakes:
        run.set_stack(fake.__name__, {"available": True})
    subjects = [Subject(fake.__name__, fake, None, "/", echoes_nonce=False) for fake in fakes]
    tally = blocks.measure(PLAN, subjects, run)
    run.finish()
    return tally, runs.load(run.run, tmp_path)


def count(run: runs.RunData, stack: str, metric: str = "boot_seconds") -> int:
    """How many there are."""
    return len([s for s in run.samples if s.metric == metric and s.dimensions["stack"] == stack])


@pytest.mark.parametrize("what", ["boot", "look", "end"])
def test_one_that_fails_in_the_middle(tmp_path: Path, what: str) -> None:
    """It keeps the boots that went well, is not retried, and the other has all of its boots."""
    bad, good = Fake("bad", **{what: (3, VmlabError("the daemon is gone"))}), Fake("good")

    tally, run = measured(tmp_path, bad, good)

    assert count(run, "good") == PLAN.blocks
    assert count(run, "bad") == (1 if what == "boot" else 2)
    assert count(run, "bad", "boot_failed") == 1
    assert bad.booted == 3
    assert bad.living == good.living == set()
    assert tally.failed == {"bad"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (VmlabError("no room\nat all"), "no room"),
        (
            NeverAnswered("x", "listening", 5.0, []),
            "never answered; the last milestone it reached was 'listening'",
        ),
    ],
)
def test_one_that_never_works(tmp_path: Path, error: Exception, reason: str) -> None:
    """Without a boot that counts it is "not measured, because"."""
    _, run = measured(tmp_path, Fake("bad", boot=(1, error)), Fake("good"))

    assert run.stacks["bad"]["available"] is False
    assert reason in run.stacks["bad"]["reason"]
    assert "\n" not in run.stacks["bad"]["reason"]
    assert count(run, "bad") == 0
    assert count(run, "good") == PLAN.blocks


def test_what_is_there_before_the_first_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a substrate takes without copies, and how long it took from nothing, are samples and in the verdict."""
    monkeypatch.setattr(blocks, "FIXED_SECONDS", 0.001)
    fake = Fake("cluster")
    vars(fake).update(fixed=lambda: {"node": (2**20, 1.0)}, ready_seconds=lambda: 4.61)

    _, run = measured(tmp_path, Fake("process"), fake)

    found = compare([run])
    assert found["substrates"]["cluster"]["metrics"]["fixed_ready_seconds"]["median"] == 4.61
    assert "Idle, the node and control plane use 1.00 MiB (PSS)" in found["verdict"]
    assert "; cold start to Ready took 4.61 s." in found["verdict"]
