"""The source of goals: the user's program as a child process, or nothing at all (destroy).

The child is started as soon as the command is, imports the SDK, and waits for the addresses of the run's services on its
standard input. What it prints becomes diagnostics.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine import children


@dataclass(frozen=True)
class Program:
    """What to run: a folder with `__main__.py` or a file, and the interpreter of its environment."""

    path: Path
    directory: Path
    interpreter: str
    environment: Mapping[str, str]


class ProgramSource:
    """One run of a program."""

    def __init__(self, program: Program) -> None:
        self.config: dict[str, str] = {}
        self.secret_keys: set[str] = set()
        self._program = program
        self._done = threading.Event()
        self._succeeded = False
        environment = {**program.environment, "PYTHONUNBUFFERED": "1", "GRPC_ENABLE_FORK_SUPPORT": "0"}
        script = Path(__file__).with_name("executor.py")
        self._child = children.start(
            [program.interpreter, "-u", str(script)],
            environment=environment,
            directory=program.directory,
            stdin=subprocess.PIPE,
        )

    def begin(self, settings: dict[str, object], say: Callable[[str, str], None]) -> None:
        """Let the program run against the services in `settings`; `say(severity, line)` gets what it prints."""
        readers = [
            children.follow(self._child.stdout, lambda line: say("info", line)),
            children.follow(self._child.stderr, lambda line: say("info", line)),
        ]
        message = {
            **settings,
            "program": str(self._program.path),
            "config": self.config,
            "secret_keys": sorted(self.secret_keys),
        }
        self._write(json.dumps(message) + "\n")
        threading.Thread(target=self._watch, args=(readers,), daemon=True).start()

    def configure(self, values: dict[str, str], secret_keys: set[str]) -> None:
        """The configuration that the program is to see."""
        self.config, self.secret_keys = values, secret_keys

    def discard(self) -> None:
        """End the process if it is still there: prepared and not needed, or through."""
        children.stop(self._child, grace_seconds=0.0)

    def signal_success(self) -> None:
        """The SDK reported that every registration was made."""
        self._succeeded = True
        self._done.set()

    def wait(self) -> bool:
        """Wait until the program is through; whether it succeeded."""
        self._done.wait()
        return self._succeeded

    def finish(self, deadline_seconds: float = 10.0) -> int:
        """Wait for the process itself to end, after its services were shut; its exit code."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(deadline_seconds)
        children.stop(self._child)
        return self._child.returncode or 0

    def _watch(self, readers: list[threading.Thread]) -> None:
        code = self._child.wait()
        for reader in readers:
            reader.join(1.0)
        self._succeeded = self._succeeded or code == 0
        self._done.set()

    def _write(self, text: str) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended already; `wait` tells how
            self._child.stdin.write(text.encode())
            self._child.stdin.close()
