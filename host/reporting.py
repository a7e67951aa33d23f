"""What a part reports: its status, lines of progress, and how long a step took.

Out of scope: how it is printed (`host/commands/verbs.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Say = Callable[[str], None]  # takes one line of progress
State = Literal["running", "stopped", "missing"]


@dataclass(frozen=True)
class Status:
    """A part as it is now. `ours`: `up` started it and `down` stops it. `kubeconfig`: the path of the cluster's."""

    name: str
    state: State
    ours: bool
    detail: str
    fix: str = ""
    kubeconfig: str = ""


@contextmanager
def timed(what: str, say: Say, *, above_seconds: float = 0.0) -> Iterator[None]:
    """Report a step that succeeded with its duration, if it took longer than `above_seconds`."""
    started = time.monotonic()
    yield
    if (seconds := time.monotonic() - started) >= above_seconds:
        say(f"{what} ({seconds:.1f} s)")
