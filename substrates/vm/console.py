"""A guest's serial console, watched while it boots: each line is stamped on the host as it arrives.

A thread looks at the file every half millisecond, because what a guest says of its own clock is not the host's. The first
byte is the kernel's. Left out: what virtlogd itself adds, which is below the resolution.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from clients.http_probe import Answer, first_answer

PAUSE_SECONDS = 0.0005
# Asked before it listens, a guest spends its time on refusals; one that never says so is asked seldom.
BEFORE_SECONDS, AFTER_SECONDS = 0.02, 0.0005
LOOK_SECONDS = 1.0  # libvirt is asked whether the guest still runs
CONNECT_SECONDS = 0.25  # a lost packet is sent again after a second: better a new connection
ACCOUNT_SECONDS, BEHIND_SECONDS = 3.0, 1.0
MARKS = (
    (b"vmlab-guest init", "init"),
    (b"vmlab-service first-line", "service"),
    (b"vmlab-service listening", "listening"),
)
_ACCOUNT = re.compile(
    rb"Startup finished in (?:(\S+) \(firmware\) \+ )?(?:\S+ \(loader\) \+ )?(\S+) \(kernel\) \+ (.+?) \(userspace\)"
)


class Watch:
    """A console from now on: a context manager. `stamps_ns` are the milestones so far."""

    def __init__(self, path: Path) -> None:
        self.stamps_ns: dict[str, int] = {}
        self._path = path
        self._said = b""
        self._listens, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    def lines(self) -> list[str]:
        """What the guest has said, without a terminal's colours."""
        plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", self._said).decode(errors="replace")
        return [line.rstrip("\r") for line in plain.split("\n") if line.strip()]

    def first_answer(
        self, url: str, deadline_ns: int, nonce: str = "", alive: Callable[[], bool] | None = None
    ) -> Answer | None:
        """As the probe's, with this guest's pauses; None as well when the guest has ended."""
        return first_answer(
            url,
            deadline_ns,
            nonce,
            connect_seconds=CONNECT_SECONDS,
            pause_seconds=BEFORE_SECONDS,
            pause=self._pause,
            alive=alive,
            look_seconds=LOOK_SECONDS,
        )

    def catch_up(self) -> None:
        """Wait a moment for the lines of our service that are still on their way: its answer may overtake them, since
        systemd takes them to the console. Such a milestone counts as reached with the answer."""
        self._listens.wait(BEHIND_SECONDS)

    def account(self) -> dict[str, float]:
        """systemd's own account of the boot in seconds, {} where there is none. It comes a little after the answer."""
        if b"systemd" not in self._said:
            return {}
        deadline = time.monotonic() + ACCOUNT_SECONDS
        while not (found := _ACCOUNT.search(self._said)) and time.monotonic() < deadline:
            self._read()
            time.sleep(PAUSE_SECONDS)
        if not found:
            return {}
        named = zip(("firmware", "kernel", "userspace"), found.groups(), strict=True)
        return {name: _seconds(text.decode()) for name, text in named if text}

    def _pause(self, seconds: float) -> None:
        """So long, or until the guest listens; short after that."""
        if self._listens.is_set():
            time.sleep(AFTER_SECONDS)
        else:
            self._listens.wait(seconds)

    def _follow(self) -> None:
        while not self._done.is_set():
            self._read()
            self._done.wait(PAUSE_SECONDS)

    def _read(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(len(self._said))
                fresh = file.read()
        except OSError:
            return
        if not fresh:
            return
        now = time.monotonic_ns()
        self._said += fresh
        self.stamps_ns.setdefault("kernel", now)
        for mark, milestone in MARKS:
            if mark in self._said:
                self.stamps_ns.setdefault(milestone, now)
        if "listening" in self.stamps_ns:
            self._listens.set()


def _seconds(text: str) -> float:
    """systemd's way to write a time: `1min 2.345s`, `812ms`."""
    units = {"min": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(min|ms|us|s)", text))
