"""Waiting until a guest's service answers, and saying how far it came when it does not."""

from __future__ import annotations

import time

from clients.http_probe import first_answer
from clients.libvirt import console, domains
from machine.errors import NeverAnswered
from substrates.contract import MILESTONES, service_stamps

PAUSE_SECONDS = 0.01  # not the probe's 0.2 ms: asking takes the processor that an emulated guest boots with
LOOK_SECONDS = 0.5


def wait_for_answer(name: str, url: str, seconds: float, console_file: str) -> None:
    """Wait for the first 200 of this address; NeverAnswered with the last milestone and the last lines of the console
    when it does not come in time, or as soon as the guest has ended."""
    deadline = time.monotonic_ns() + int(seconds * 1e9)
    answer = first_answer(
        url,
        deadline,
        pause_seconds=PAUSE_SECONDS,
        alive=lambda: domains.runs(name),
        look_seconds=LOOK_SECONDS,
    )
    if answer is None:
        raise NeverAnswered(name, _milestone(console_file), seconds, console.last_lines(console_file))


def _milestone(console_file: str) -> str:
    """The last one that the console tells of."""
    said = console.text(console_file)
    reached = {"sandboxed", *(["kernel"] if said else []), *service_stamps(said)}
    if "vmlab-guest init" in said:
        reached.add("init")
    return max(reached, key=MILESTONES.index)
