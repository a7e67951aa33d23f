"""Boots of a stack that is up, from its own definition, printed sample by sample."""

from __future__ import annotations

import secrets
import statistics
import sys

import pytest

from lab.deploying import stacks
from lab.measuring.subjects import subject_of
from machine.addresses import FIRST_COPY_PORT
from substrates.contract import Request, Slot


def test_boot(stack: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    """Every copy answers, its phases add up to its total, and its footprint can be read."""
    stacks.chosen([stack])
    subject, totals = subject_of(stack, stacks.outputs(stack)), []
    for number in range(request.config.getoption("--boots")):
        wanted = Request(subject.path, secrets.token_hex(8), subject.echoes_nonce)
        boot = subject.boot(Slot(number, FIRST_COPY_PORT + number), wanted)
        try:
            footprint = subject.module.footprint(boot.copy)
        finally:
            subject.destroy(boot.copy)
        totals.append(boot.seconds)
        phases = boot.phases_seconds()
        assert sum(phases.values()) == pytest.approx(boot.seconds)
        assert footprint.pss_bytes > 0
        with capsys.disabled():
            parts = ", ".join(f"{name} {seconds * 1e3:.2f}" for name, seconds in phases.items())
            sys.stdout.write(f"\n{stack}: boot {boot.seconds * 1e3:.2f} ms ({parts})")
    with capsys.disabled():
        sys.stdout.write(f"\n{stack}: median of {len(totals)}: {statistics.median(totals) * 1e3:.2f} ms\n")
