"""The substrates' only door to subprocesses: argument lists, no shell, output kept for the message of a failure."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from substrates.errors import SubstrateError

# A Popen that is dropped while its child lives warns; who started the child reaps it by its pid.
_children: dict[int, subprocess.Popen[bytes]] = {}


def run(command: Sequence[str], *, timeout_seconds: float = 60.0, input_text: str | None = None) -> str:
    """The output of a command that ends; SubstrateError with its last lines when it fails."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            input=input_text,
            check=False,
        )
    except FileNotFoundError:
        raise SubstrateError(f"there is no command {command[0]!r}") from None
    except subprocess.TimeoutExpired:
        raise SubstrateError(f"{shlex.join(command)} did not end within {timeout_seconds:g} s") from None
    if done.returncode:
        tail = "\n    ".join((done.stderr or done.stdout).strip().splitlines()[-10:])
        raise SubstrateError(f"{shlex.join(command)} failed with code {done.returncode}:\n    {tail}")
    return done.stdout


def launch(command: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path) -> int:
    """Start a command that stays, in a session of its own, with its output in `log`; its pid. It outlives this process."""
    with log.open("ab") as file:
        child = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    _children[child.pid] = child
    return child.pid


def attached(command: Sequence[str], *, environment: Mapping[str, str], directory: Path) -> int:
    """Run a command that writes to our own standard error; its exit code. Ctrl-C reaches it too.

    Not to standard output: what it says is progress, and a verb's result must be all that is there."""
    return subprocess.run(
        command, env=dict(environment), cwd=directory, stdout=sys.stderr.fileno(), check=False
    ).returncode
