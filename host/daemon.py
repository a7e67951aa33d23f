"""A daemon as a child of ours: started in its own session, found again by pid and start time, stopped with a deadline.

For machines without systemd. The pid file is JSON: pid, start, command. Out of scope: readiness, which each part knows.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from host.reporting import Say
from machine import commands, files, places, processes
from machine.errors import VmlabError
from machine.processes import Process
from machine.waiting import Deadline

PAUSE = 0.02


@dataclass(frozen=True)
class Daemon:
    """One daemon's name, from which its files follow."""

    name: str

    @property
    def pid_file(self) -> Path:
        return places.run() / f"{self.name}.pid"

    @property
    def log(self) -> Path:
        return places.run() / f"{self.name}.log"

    def pid(self) -> int | None:
        """The pid of the live daemon, or None: not started, ended, or another process has that pid now."""
        noted = files.read_json(self.pid_file)
        try:
            process = Process(int(noted["pid"]), int(noted["start"]))
        except (ValueError, KeyError, TypeError):
            return None
        return process.pid if _lives(process) else None

    def start(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
        """Start it, or return the pid of the one that runs."""
        running = self.pid()
        if running is not None:
            return running
        places.make(places.run())
        pid = commands.spawn(command, log=self.log, environment=environment)
        process = processes.find(pid)
        if process is None:
            raise VmlabError(f"{self.name}: exited at once\n{self.last_lines()}")
        files.write_json(self.pid_file, {"pid": pid, "start": process.start_ticks, "command": list(command)})
        return pid

    def wait(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until it answers; VmlabError with its last lines if it ends or the deadline passes."""
        if Deadline(seconds).until(lambda: ready() or self.pid() is None, PAUSE) and self.pid() is not None:
            return
        state = "exited before it was ready" if self.pid() is None else f"not ready after {seconds:.0f} s"
        raise VmlabError(f"{self.name}: {state}; the end of {self.log}:\n{self.last_lines()}")

    def stop(self, seconds: float = 15) -> bool:
        """SIGTERM, a deadline, SIGKILL. False if it did not run. The pid file is removed."""
        pid = self.pid()
        if pid is not None and not end(pid, seconds):
            raise VmlabError(f"{self.name}: process {pid} survived SIGKILL for 5 s; see /proc/{pid}/stack")
        self.pid_file.unlink(missing_ok=True)
        return pid is not None

    def clear_stale(self, say: Say) -> None:
        """Remove a pid file whose process is gone, and report that."""
        if self.pid_file.exists() and self.pid() is None:
            self.pid_file.unlink()
            say(f"{self.name}: removed the stale {self.pid_file} (its process is gone)")

    def last_lines(self) -> str:
        """The end of its log."""
        try:
            return commands.last_lines(self.log.read_text(errors="replace"))
        except OSError:
            return "  (no log)"


def end(pid: int, seconds: float) -> bool:
    """SIGTERM to exactly this process, a deadline, SIGKILL; whether it is gone."""
    process = processes.find(pid)
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        if process is None or not _lives(process):
            return True
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        if Deadline(patience).until(lambda: not _lives(process), PAUSE):
            return True
    return False


def _lives(process: Process) -> bool:
    """Whether it runs; one that was our child is reaped."""
    commands.ended(process.pid)
    return process.lives()
