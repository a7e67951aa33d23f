"""The errors of the substrates.

SubstrateError         something failed on a substrate
  Unavailable          it cannot run here: `reason`, and `fix`, the command that mends it
  Refused              bad input, found before anything was made
  NeverAnswered        it was started and did not answer: the last milestone and the last lines of its log
"""

from __future__ import annotations


class SubstrateError(Exception):
    """Something failed on a substrate."""


class Refused(SubstrateError):
    """Bad input, found before anything was made."""


class Unavailable(SubstrateError):
    """A substrate that cannot run here; a row "not measured, because", never a zero."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"{reason}; {fix}" if fix else reason)
        self.reason = reason
        self.fix = fix


class NeverAnswered(SubstrateError):
    """A boot that did not end in a valid answer within its deadline."""

    def __init__(self, what: str, milestone: str, seconds: float, log: list[str]) -> None:
        tail = "".join(f"\n    {line}" for line in log[-40:]) or "\n    (its log is empty)"
        super().__init__(
            f"{what} did not answer within {seconds:g} s; the last milestone it reached was {milestone!r}; "
            f"the end of its log:{tail}"
        )
        self.milestone = milestone
