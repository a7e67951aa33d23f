"""The errors of the engine, each with the exit code of the command that meets it.

    EngineError            1  the run failed
      StepFailed           1  a provider refused or failed; `urn` names the resource
      ProgramFailed        1  the program raised or exited with an error
    WrongUse               2  bad input, found before anything was created; nothing was changed

`next_command` is what the user can type next; the command line prints it under the message.
"""

from __future__ import annotations


class EngineError(Exception):
    """Something went wrong in a run."""

    exit_code = 1

    def __init__(self, message: str, next_command: str = "") -> None:
        super().__init__(message)
        self.next_command = next_command


class StepFailed(EngineError):
    """A step on one resource failed; the message is the provider's own."""

    def __init__(self, urn: str, message: str) -> None:
        super().__init__(message)
        self.urn = urn


class ProgramFailed(EngineError):
    """The program ended with an error; its traceback was shown as a diagnostic."""


class WrongUse(EngineError):
    """Bad input: refused before anything was created."""

    exit_code = 2
