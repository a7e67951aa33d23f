"""The only door to subprocesses of everything but the engine: argument lists, no shell, an environment by allow-list.

    run         a command that ends, with a deadline; its output, or an error with its last lines
    until_line  a command that is watched until it prints a line, then ended with all that it started
    spawn       a daemon, in a session of its own; it outlives this process
    attached    a command in the foreground, whose output is ours

Out of scope: whether a daemon is alive (`host/daemon.py`), starting copies of the service (`substrates/rungs/launch.py`).
"""

from __future__ import annotations

import atexit
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from machine.errors import VmlabError
from machine.waiting import Deadline

# A user's PATH often lacks these, and dockerd itself looks for iptables and containerd there.
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
LINES_OF_FAILURE = 12
# What a child is given of our environment: the locale and the places of a user, proxies and certificates, and how the
# clients of Docker, libvirt, Kubernetes, Pulumi, apt, pip and Go were set up. Everything else, tokens of other
# programs above all, stays here.
_PASSED = frozenset(
    """PATH HOME USER LOGNAME SHELL TERM LANG LANGUAGE TZ TMPDIR CI COLUMNS LINES NO_COLOR KUBECONFIG APT_CONFIG
    DEBIAN_FRONTEND SOURCE_DATE_EPOCH REQUESTS_CA_BUNDLE CURL_CA_BUNDLE VIRTUAL_ENV PYTHONPATH PYTHONSAFEPATH
    PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED PYTHONWARNINGS DBUS_SESSION_BUS_ADDRESS CC CFLAGS LDFLAGS MAKEFLAGS
    PKG_CONFIG_PATH LD_LIBRARY_PATH""".split()  # noqa: SIM905
)
_PASSED_PREFIXES = ("LC_", "XDG_", "SSL_", "VMLAB_", "PULUMI_", "DOCKER_", "LIBVIRT_", "PIP_", "GO", "CGO_")
_KEPT_PREFIXES = ("GOOGLE", "PULUMI_ACCESS_TOKEN")  # credentials, which the prefixes above would let through
_PROXIES = frozenset(("http_proxy", "https_proxy", "no_proxy", "all_proxy", "ftp_proxy"))

# A child of this process stays a zombie until its exit code is collected: `ended` does.
_children: dict[int, subprocess.Popen[bytes]] = {}


@atexit.register
def _let_go() -> None:
    """Daemons live on; without this Python warns of each when it ends."""
    for child in _children.values():
        child.returncode = child.returncode or 0


def find(name: str) -> str | None:
    """The full path of a command, or None."""
    return shutil.which(name, path=_path())


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a child may see of our own environment, the system's folders in PATH, messages in English, and `more`."""
    passed = {name: value for name, value in os.environ.items() if _is_passed(name)}
    return {**passed, "PATH": _path(), "LC_ALL": "C", **(more or {})}


def run(
    command: Sequence[str],
    *,
    timeout_seconds: float = 60.0,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    user: int | None = None,
    input_text: str = "",
) -> str:
    """Run to the end and return standard output; VmlabError with the last lines if it fails or takes too long.

    `environment` is added to what a child sees anyway; `user` is a uid, which is its gid as well, without other groups."""
    try:
        done = subprocess.run(
            command,
            input=input_text,
            env=_seen(environment),
            cwd=directory,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            timeout=timeout_seconds,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise VmlabError(f"{command[0]}: no such command") from None
    except subprocess.TimeoutExpired:
        raise VmlabError(f"{shlex.join(command)}: not done after {timeout_seconds:g} s") from None
    if done.returncode:
        output = last_lines(done.stdout + done.stderr)
        raise VmlabError(f"{shlex.join(command)}: exit code {done.returncode}\n{output}".rstrip())
    return done.stdout


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path = Path("/"),
) -> int:
    """Start a daemon in a session of its own, its output appended to `log`; its pid. It outlives this process."""
    child = _started(command, log, _seen(environment), directory)
    _children[child.pid] = child
    return child.pid


def launch(command: Sequence[str], *, log: Path, environment: Mapping[str, str], directory: Path) -> int:
    """Start a command that stays, with exactly this environment, in a session of its own; its pid. Who starts it reaps it."""
    child = _started(command, log, environment, directory)
    child.returncode = 0  # else Python warns when the object is dropped while its child lives
    return child.pid


def _started(
    command: Sequence[str], log: Path, environment: Mapping[str, str], directory: Path
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        try:
            return subprocess.Popen(
                command,
                env=dict(environment),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise VmlabError(f"{command[0]}: no such command") from None


def ended(pid: int) -> int | None:
    """The exit code of a child of this process that has ended, else None."""
    child = _children.get(pid)
    return None if child is None else child.poll()


def attached(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, output: TextIO | None = None
) -> int:
    """Run a command that writes to our own standard error; its exit code. Ctrl-C reaches it too.

    Not to standard output, unless `output` is that: what it prints is progress, and a verb's result must be all that is
    there. The environment is exactly the one given."""
    where = (output or sys.stderr).fileno()
    return subprocess.run(command, env=dict(environment), cwd=directory, stdout=where, check=False).returncode


@dataclass(frozen=True)
class Watched:
    """How a watched command went: whether the line came; its exit code (below 0 a signal's), None when time was up."""

    found: bool
    code: int | None
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def until_line(
    command: Sequence[str],
    text: str,
    *,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Watched:
    """Run a command until `text` ("": nothing) is in its output, it ends, or the time is up; then end it and all that it
    started.

    It is killed with us, too: `setpriv` binds it to the calling thread, which waits here. VmlabError when there is
    no such command."""
    if find(command[0]) is None:
        raise VmlabError(f"{command[0]}: no such command")
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            env=_seen(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        try:
            output, closed = _read_until(child, text.encode(), Deadline(seconds))
            code = _ended(child) if closed else child.poll()
        finally:
            _kill_session(child)
        errors.seek(0)
        lines = errors.read().decode(errors="replace").splitlines()
    printed = output.decode(errors="replace")
    return Watched(bool(text) and text in printed, code, printed.splitlines(), lines)


def last_lines(text: str, count: int = LINES_OF_FAILURE) -> str:
    """The end of an output, indented to stand under the sentence that names what failed."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-count:])


def _read_until(child: subprocess.Popen[bytes], text: bytes, deadline: Deadline) -> tuple[bytes, bool]:
    """What it printed, and whether it has closed its output, as it does when it ends."""
    printed = b""
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while not (text and text in printed) and not deadline.passed and selector.select(deadline.left()):
            piece = os.read(child.stdout.fileno(), 65536)
            if not piece:
                return printed, True
            printed += piece
    return printed, False


def _ended(child: subprocess.Popen[bytes]) -> int | None:
    """The exit code of a command whose output is closed; None when it goes on in silence."""
    try:
        return child.wait(1.0)
    except subprocess.TimeoutExpired:
        return None


def _kill_session(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _is_passed(name: str) -> bool:
    if name.startswith(_KEPT_PREFIXES):
        return False
    return name in _PASSED or name.lower() in _PROXIES or name.startswith(_PASSED_PREFIXES)


_seen = environment  # the functions above have a parameter of that name


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}".lstrip(":")
