"""Waiting is an object with a deadline, never a bare sleep.

    deadline = Deadline(15)
    while not ready():
        deadline.pause(0.02) or fail()

Out of scope: timeouts of single system calls, which take `deadline.left()`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from machine.errors import InvalidInput


class Deadline:
    """An instant of CLOCK_MONOTONIC, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._end

    def left(self) -> float:
        """The seconds that are left, never below 0."""
        return max(0.0, self._end - time.monotonic())

    def pause(self, seconds: float) -> bool:
        """Sleep that long, or until the deadline; False, without sleeping, when the deadline has passed."""
        left = self.left()
        if left <= 0:
            return False
        time.sleep(min(seconds, left))
        return True

    def until(self, condition: Callable[[], bool], pause: float = 0.02) -> bool:
        """Wait until the condition holds, asking every `pause` seconds; False when the deadline passed before."""
        while not condition():
            if not self.pause(pause):
                return condition()
        return True


def answer_seconds() -> float:
    """How long a service may take to its first valid answer: VMLAB_TIMEOUT, else a minute."""
    text = os.environ.get("VMLAB_TIMEOUT") or "60"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise InvalidInput(f"VMLAB_TIMEOUT must be a number of seconds above 0, not {text!r}")
    return seconds
