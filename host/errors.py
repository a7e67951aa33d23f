"""Errors that end the search: each says what happened, to which thing, and the next command.

Left out: exit codes of results (3, nothing measured) are the lab's.
"""

from __future__ import annotations


class HostError(Exception):
    """Something on this machine failed."""

    exit_code = 1


class Unavailable(HostError):
    """This machine cannot offer the thing as it is; `fix` is the command or the step that changes that."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"{reason}\n  fix: {fix}")
        self.reason = reason
        self.fix = fix


class WrongUse(HostError):
    """The command line asks for something that does not exist."""

    exit_code = 2
