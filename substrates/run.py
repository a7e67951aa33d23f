"""The substrates' only door to subprocesses: argument lists, no shell, output kept for the message of a failure."""

from __future__ import annotations

import os
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from substrates.errors import SubstrateError


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


@dataclass(frozen=True)
class Watched:
    """How a watched command went: whether the line came; its exit code (below 0 a signal's), None when time was up."""

    found: bool
    code: int | None
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def until_line(command: Sequence[str], text: str, *, seconds: float) -> Watched:
    """Run a command until `text` is in its output, it ends, or the time is up; then end it and all that it started.

    It is killed with us, too: `setpriv` binds it to the calling thread, which waits here. SubstrateError when there is
    no such command."""
    if shutil.which(command[0]) is None:
        raise SubstrateError(f"there is no command {command[0]!r}")
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        try:
            output, closed = _read_until(child, text.encode(), time.monotonic() + seconds)
            code = _ended(child) if closed else child.poll()
        finally:
            _kill_session(child)
        errors.seek(0)
        lines = errors.read().decode(errors="replace").splitlines()
    said = output.decode(errors="replace")
    return Watched(text in said, code, said.splitlines(), lines)


def _read_until(child: subprocess.Popen[bytes], text: bytes, deadline: float) -> tuple[bytes, bool]:
    """What it said, and whether it has closed its output, as it does when it ends."""
    said = b""
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while text not in said and (left := deadline - time.monotonic()) > 0 and selector.select(left):
            piece = os.read(child.stdout.fileno(), 65536)
            if not piece:
                return said, True
            said += piece
    return said, False


def _ended(child: subprocess.Popen[bytes]) -> int | None:
    """The exit code of a command whose output is closed; None when it goes on in silence."""
    try:
        return child.wait(1.0)
    except subprocess.TimeoutExpired:
        return None


def _kill_session(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


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
    child.returncode = (
        0  # else it warns when it is dropped while its child lives; who started the child reaps it by its pid
    )
    return child.pid


def attached(command: Sequence[str], *, environment: Mapping[str, str], directory: Path) -> int:
    """Run a command that writes to our own standard error; its exit code. Ctrl-C reaches it too.

    Not to standard output: what it says is progress, and a verb's result must be all that is there."""
    return subprocess.run(
        command, env=dict(environment), cwd=directory, stdout=sys.stderr.fileno(), check=False
    ).returncode
