"""Boots of a stack that is up, from its own definition, printed sample by sample."""

from __future__ import annotations

import secrets
import sys

import pytest

from lab import stacks
from lab.measure import FIRST_PORT, subject_of
from lab.stats import median
from substrates.contract import Request, Slot


def test_boot(stack: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    """Every copy answers, its phases add up to its total, and its footprint can be read."""
    stacks.chosen([stack])
    subject, totals = subject_of(stack, stacks.outputs(stack)), []
    for number in range(request.config.getoption("--boots")):
        wanted = Request(subject.path, secrets.token_hex(8), subject.echoes_nonce)
        boot = subject.module.boot(subject.definition, Slot(number, FIRST_PORT + number), wanted)
        try:
            footprint = subject.module.footprint(boot.copy)
        finally:
            subject.module.destroy(boot.copy)
        totals.append(boot.seconds)
        phases = boot.phases_seconds()
        assert sum(phases.values()) == pytest.approx(boot.seconds)
        assert footprint.pss_bytes > 0
        with capsys.disabled():
            parts = ", ".join(f"{name} {seconds * 1e3:.2f}" for name, seconds in phases.items())
            sys.stdout.write(f"\n{stack}: boot {boot.seconds * 1e3:.2f} ms ({parts})")
    with capsys.disabled():
        sys.stdout.write(f"\n{stack}: median of {len(totals)}: {median(totals) * 1e3:.2f} ms\n")
