"""The engine's only door to subprocesses.

Every child is started with setpriv(1) from util-linux, which asks the kernel to kill it when its parent dies, so that
`kill -9` of the engine leaves no program or provider behind. The signal is tied to the *thread* that forked, so all
children are forked by one thread that lives as long as the process. Argument lists only, never a shell.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")


def start(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own; it dies with this process. OSError if it cannot be started."""

    def fork() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            env=dict(environment),
            cwd=directory,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    return _forker.submit(fork).result()


def stop(child: subprocess.Popen[bytes], grace_seconds: float = 2.0) -> None:
    """End the child's whole session: ask first, then kill. Done when it is reaped."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace_seconds)
            break


def follow(stream: IO[bytes] | None, consume: Callable[[str], None]) -> threading.Thread:
    """Read a child's output to its end on a thread, line by line, so that its pipe never fills."""

    def read() -> None:
        assert stream is not None
        for line in stream:
            consume(line.decode(errors="replace").rstrip("\n"))
        stream.close()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread
