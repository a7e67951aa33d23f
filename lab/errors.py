"""The errors of the lab, each with its exit code.

LabError       1  something failed
  WrongUse     2  bad input, found before anything was changed
"""

from __future__ import annotations


class LabError(Exception):
    """Something failed; `next_command` is what to type next."""

    exit_code = 1

    def __init__(self, message: str, next_command: str = "") -> None:
        super().__init__(message)
        self.next_command = next_command


class WrongUse(LabError):
    """Bad input."""

    exit_code = 2
