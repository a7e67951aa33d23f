"""The package's only door to subprocesses.

`run` waits for a command with a deadline; `spawn` leaves a daemon behind in a session of its own. Argument lists only,
never a shell. Left out: whether a daemon is alive, which is host/daemon.py's.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from host.errors import HostError

# A user's PATH often lacks these, and dockerd itself looks for iptables and containerd there.
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
LINES_OF_FAILURE = 12

# A child of this process stays a zombie until somebody asks for its exit code: `ended` does.
_children: dict[int, subprocess.Popen[bytes]] = {}


@atexit.register
def _let_go() -> None:
    """Daemons live on; without this Python warns of each when it ends."""
    for child in _children.values():
        child.returncode = child.returncode or 0


def find(name: str) -> str | None:
    """The full path of a command, or None."""
    return shutil.which(name, path=_path())


def run(
    command: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None, given: str = ""
) -> str:
    """Run to the end and return standard output; HostError with the last lines if it fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            input=given,
            env=_environment(environment),
            timeout=timeout,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise HostError(f"{command[0]}: no such command") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{' '.join(command)}: not done after {timeout:.0f} s") from error
    if done.returncode:
        output = last_lines(done.stdout + done.stderr)
        raise HostError(f"{' '.join(command)}: exit code {done.returncode}\n{output}".rstrip())
    return done.stdout


def spawn(command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None) -> int:
    """Start a daemon in a session of its own, its output appended to `log`; its pid."""
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                command,
                env=_environment(environment),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise HostError(f"{command[0]}: no such command") from error
    _children[child.pid] = child
    return child.pid


def ended(pid: int) -> int | None:
    """The exit code of a child of this process that has ended, else None."""
    child = _children.get(pid)
    return None if child is None else child.poll()


def last_lines(text: str, count: int = LINES_OF_FAILURE) -> str:
    """The end of an output, indented to stand under the sentence that says what failed."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-count:])


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, "PATH": _path(), "LC_ALL": "C", **(more or {})}


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}".lstrip(":")
