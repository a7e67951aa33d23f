"""A daemon as a child of ours: started in its own session, found again by pid and start time, stopped with a deadline.

For machines without systemd. The pid file is JSON: pid, start, command. Left out: readiness, which each part knows.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from host.reporting import Say
from machine import commands, places, processes
from machine.errors import VmlabError

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
        try:
            noted = json.loads(self.pid_file.read_text())
            pid, start = int(noted["pid"]), int(noted["start"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        commands.ended(pid)
        return pid if processes.start_ticks(pid) == start else None

    def start(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
        """Start it, or return the pid of the one that runs."""
        running = self.pid()
        if running is not None:
            return running
        places.make(places.run())
        pid = commands.spawn(command, log=self.log, environment=environment)
        start = processes.start_ticks(pid)
        if start is None:
            raise VmlabError(f"{self.name}: ended at once\n{self.last_lines()}")
        self.pid_file.write_text(json.dumps({"pid": pid, "start": start, "command": list(command)}) + "\n")
        return pid

    def wait(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until it answers; VmlabError with its last lines if it ends or the deadline passes."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.pid() is None:
                raise VmlabError(
                    f"{self.name}: ended before it was ready; {self.log} says:\n{self.last_lines()}"
                )
            if time.monotonic() > deadline:
                raise VmlabError(
                    f"{self.name}: not ready after {seconds:.0f} s; {self.log} says:\n{self.last_lines()}"
                )
            time.sleep(PAUSE)

    def stop(self, seconds: float = 15) -> bool:
        """Ask it to end, wait, then kill it. False if it did not run. The pid file is gone afterwards."""
        pid = self.pid()
        if pid is not None and not end(pid, seconds):
            raise VmlabError(f"{self.name}: process {pid} survived SIGKILL for 5 s; see /proc/{pid}/stack")
        self.pid_file.unlink(missing_ok=True)
        return pid is not None

    def clear_stale(self, say: Say) -> None:
        """Remove a pid file whose process is gone, and say so."""
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
    start = processes.start_ticks(pid)
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + patience
        if start is None or not _send(pid, number):
            return True
        while time.monotonic() < deadline:
            commands.ended(pid)
            if processes.start_ticks(pid) != start:
                return True
            time.sleep(PAUSE)
    return False


def _send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
