"""`vmlab test`: sets up what the tests need, then runs them.

A part that cannot run here is said; its tests then skip, or, with CI=true, fail.
"""

from __future__ import annotations

import importlib
import os
import sys

from lab.engine import ROOT


def run(arguments: list[str]) -> int:
    """Set up, then become pytest. Does not return when the set-up succeeds."""
    from host import commands

    if not _only_unit(arguments):
        code = commands.run("up", [], as_json=False, yes=True)
        if code and os.environ.get("CI"):
            return code
    importlib.import_module("pytest")  # the message of a broken environment, before exec
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])
    raise AssertionError("execv does not return")


def _only_unit(arguments: list[str]) -> bool:
    """Whether only tests that need no daemon are asked for."""
    paths = [argument for argument in arguments if argument.startswith("tests")]
    return bool(paths) and all(path.startswith("tests/unit") for path in paths)
