"""A deadline ends every wait."""

from __future__ import annotations

import time

from machine.waiting import Deadline


def test_until_the_condition_holds() -> None:
    """It is asked until it holds, and no longer."""
    answers = iter([False, False, True, False])

    assert Deadline(5).until(lambda: next(answers), 0.001)
    assert next(answers) is False


def test_a_condition_that_never_holds() -> None:
    """It ends at the deadline with False, having been asked once more at the end."""
    deadline, start = Deadline(0.05), time.monotonic()

    assert not deadline.until(lambda: False, 0.01)
    assert 0.05 <= time.monotonic() - start < 2
    assert deadline.passed
    assert deadline.left() == 0
    assert not deadline.pause(1)
