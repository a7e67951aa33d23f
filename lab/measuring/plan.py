"""How much is measured, and in which order: blocks of one turn for each subject, shuffled by the run's seed.

The order is shuffled so that a slow minute of the machine affects all subjects alike. Block -1 warms up and is discarded.
"""

from __future__ import annotations

import os
import random
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from machine.errors import InvalidInput

SAY_EVERY_SECONDS = 2.0
Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Plan:
    """How much to measure. `blocks` of at least 6, because fewer give no interval of a median."""

    blocks: int
    loads: int  # in how many of the blocks CPU is measured as well
    seed: int

    @classmethod
    def of(cls, *, quick: bool, seed: int | None) -> Plan:
        """6 blocks when it must be quick, else 25; VMLAB_BLOCKS overrides both. InvalidInput for a negative seed."""
        if seed is not None and seed < 0:
            raise InvalidInput(f"--seed must be a whole number from 0, not {seed}")
        chosen = secrets.randbelow(2**31) if seed is None else seed
        blocks = os.environ.get("VMLAB_BLOCKS") or ("6" if quick else "25")
        if not blocks.isdecimal() or int(blocks) == 0:
            raise InvalidInput(f"VMLAB_BLOCKS must be a whole number above 0, not {blocks!r}")
        return cls(int(blocks), int(blocks) // 3 if int(blocks) > 1 else 1, chosen)


def turns(subjects: Sequence[Subject], blocks: int, seed: int) -> Iterator[tuple[int, int, Subject]]:
    """Running number, block and subject of every turn; prints now and then how long the rest will take."""
    order, number, whole = random.Random(seed), 0, (blocks + 1) * len(subjects)
    started = printed = time.monotonic()
    for block in range(-1, blocks):
        for subject in order.sample(subjects, len(subjects)):
            yield number, block, subject
            number += 1
            now = time.monotonic()
            if now - printed > SAY_EVERY_SECONDS or number == whole:
                left = (now - started) / number * (whole - number)
                say(f"block {block + 1} of {blocks}; {left:.0f} s left" if block >= 0 else "warming up")
                printed = now


def say(text: str) -> None:
    """One line of progress on standard error; standard output is for results."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
