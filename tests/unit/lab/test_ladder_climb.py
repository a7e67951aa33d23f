"""Climbing with steps that only record that they were booted: every one in every block, in an order that the seed repeats."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from lab.ladder.climb import climb
from lab.ladder.steps import Step
from lab.measuring import runs
from lab.measuring.plan import Plan
from lab.measuring.samples import Sample
from machine.errors import VmlabError
from substrates.contract import Boot, Request, Slot

NAMES = ("fork+exec", "mount", "chroot", "docker", "vm")
REPEATED = "mount"
BLOCKS = 5


class Machine:
    """Boots nothing; records what was booted and destroyed, in order. What is in `broken` fails from that boot on."""

    def __init__(self, **broken: int) -> None:
        self.booted: list[str] = []
        self.destroyed: list[Any] = []
        self.slots: list[Slot] = []
        self._broken = broken

    def steps(self) -> list[Step]:
        """One a name; one of them is booted three times a block."""
        return [self._step(name) for name in NAMES]

    def _step(self, name: str) -> Step:
        def boot(slot: Slot, request: Request) -> Boot:
            self.booted.append(name)
            self.slots.append(slot)
            if self.booted.count(name) > self._broken.get(name, 10**6):
                raise VmlabError(f"{name} is broken\nand more is printed")
            copy = f"{name} {len(self.booted)}"
            return Boot(copy, {"requested": 0, "accepted": 1000, "answered": 10**6})

        return Step(name, "null", boot, self.destroyed.append, repeats=3 if name == REPEATED else 1)


def climbed(
    root: Path, machine: Machine, seed: int = 7
) -> tuple[dict[str, str], list[Sample], list[list[str]]]:
    """What failed, the samples, and what was booted by block, the warm-up first."""
    writer = runs.create(root=root, seed=seed, host={})
    failed = climb(machine.steps(), Plan(BLOCKS, 0, seed), writer)
    writer.finish()
    width = len(machine.booted) // (BLOCKS + 1)
    blocks = [machine.booted[at : at + width] for at in range(0, len(machine.booted), width)]
    return failed, runs.load(writer.run, root).samples, blocks


def test_every_step_is_in_every_block(tmp_path: Path) -> None:
    """As often as it is to be repeated, and each copy is destroyed; the first block warms up and is not kept."""
    machine = Machine()
    failed, samples, blocks = climbed(tmp_path, machine)
    wanted = sorted([*NAMES, REPEATED, REPEATED])

    assert failed == {}
    assert [sorted(block) for block in blocks] == [wanted] * (BLOCKS + 1)
    assert len(machine.destroyed) == len(set(machine.destroyed)) == len(machine.booted)
    kept = [sample.dimensions for sample in samples if sample.metric == "boot_seconds"]
    for block in range(BLOCKS):
        assert sorted(str(where["rung"]) for where in kept if where["block"] == block) == wanted
    assert {where["block"] for where in kept} == set(range(BLOCKS))


def test_order_differs_between_blocks_and_follows_from_the_seed(tmp_path: Path) -> None:
    """A slow minute hits others in the next block; the same seed gives the same order, another one another."""
    blocks = climbed(tmp_path, Machine())[2]

    assert len({tuple(block) for block in blocks}) == BLOCKS + 1
    random.seed(1)  # the order is the seed's, whatever else has drawn
    assert climbed(tmp_path, Machine())[2] == blocks
    assert climbed(tmp_path, Machine(), seed=8)[2] != blocks


def test_no_two_copies_in_a_row_have_one_slot(tmp_path: Path) -> None:
    """A port is given again only long after its last connection, and none but a slot's own is used."""
    machine = Machine()
    climbed(tmp_path, machine)

    assert all(
        first.number != then.number for first, then in zip(machine.slots, machine.slots[1:], strict=False)
    )
    assert {slot.port - slot.number for slot in machine.slots} == {18200}


@pytest.mark.parametrize("good", [0, 1, 3])
def test_a_failed_step_is_not_asked_again(tmp_path: Path, good: int) -> None:
    """It fails once and for all, with its first line as the reason; what it had measured stays, and the others go on."""
    machine = Machine(docker=good)
    failed, samples, _ = climbed(tmp_path, machine)
    kept = [sample.dimensions["rung"] for sample in samples if sample.metric == "boot_seconds"]

    assert failed == {"docker (null)": "docker is broken"}
    assert machine.booted.count("docker") == good + 1
    assert kept.count("docker") == max(0, good - 1)
    assert kept.count("vm") == BLOCKS
    assert [s.dimensions["rung"] for s in samples if s.metric == "boot_failed"] == ["docker"]
