"""`vmlab test`: sets up what the tests need, then runs them.

A part that cannot run here is said; its tests then skip, or, with CI=true, fail.
"""

from __future__ import annotations

import importlib
import os
import sys

from lab.deploying.engines import ROOT


def run(arguments: list[str]) -> int:
    """Set up, then become pytest. Does not return when the set-up succeeds."""
    if not _only_unit(arguments):
        _set_up()
    importlib.import_module("pytest")  # the message of a broken environment, before exec
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])
    raise AssertionError("execv does not return")


def _set_up() -> None:
    """Part by part: one that is not to be had here must not keep the others down. A failed one ends the run."""
    from host import commands, parts
    from machine.errors import Unavailable

    for name in parts.KNOWN:
        try:
            commands.run("up", [name], as_json=False, yes=True)
        except Unavailable as error:
            if os.environ.get("CI"):
                raise
            sys.stderr.write(f"{name}: not set up: {error}\n")


def _only_unit(arguments: list[str]) -> bool:
    """Whether only tests that need no daemon are asked for."""
    paths = [argument for argument in arguments if argument.startswith("tests")]
    return bool(paths) and all(path.startswith("tests/unit") for path in paths)
