"""The errors of everything but the engine, each with the exit code of the command that meets it.

    VmlabError         1  something failed
      InvalidInput     2  bad input, found before anything was created or changed
      Unavailable      3  something cannot run on this machine: `reason`, and `fix`, the command that changes that
        UnfitMachine   2  the same, found before anything was created and fixed by the user: disk space, a taken port
      NeverAnswered    1  a copy was started and did not answer: the last milestone and the end of its log

A message states what happened, to which thing, with the last lines of its log; `next_command` is what to type next.
Out of scope: the engine's errors (`engine/errors.py`), which name resources by URN.
"""

from __future__ import annotations


class VmlabError(Exception):
    """Something failed; `next_command` is what the user can type next."""

    exit_code = 1

    def __init__(self, message: str, next_command: str = "") -> None:
        super().__init__(message)
        self.next_command = next_command


class InvalidInput(VmlabError):
    """Bad input, found before anything was created or changed."""

    exit_code = 2


class Unavailable(VmlabError):
    """Something that cannot run on this machine; in a table a row "not measured, because", never a zero."""

    exit_code = 3

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"{reason}; {fix}" if fix else reason)
        self.reason = reason
        self.fix = fix


class UnfitMachine(Unavailable):
    """This machine as it is cannot hold it; found before anything was created, and fixed by the user."""

    exit_code = 2


class NeverAnswered(VmlabError):
    """A boot that did not end in a valid answer within its deadline."""

    def __init__(self, what: str, milestone: str, seconds: float, log: list[str]) -> None:
        tail = "".join(f"\n    {line}" for line in log[-40:]) or "\n    (its log is empty)"
        super().__init__(
            f"{what} did not answer within {seconds:g} s; the last milestone it reached was {milestone!r}; "
            f"the end of its log:{tail}"
        )
        self.milestone = milestone
