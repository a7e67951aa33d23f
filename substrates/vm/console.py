"""A guest's serial console: watched while it boots, and read for what the guest reported.

A thread reads the file every half millisecond and stamps each line on the host as it arrives, because the guest's clock
is not the host's. The first byte is the kernel's. Out of scope: the delay of virtlogd, which is below the resolution.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from clients.http_probe import Answer, first_answer
from clients.libvirt import domains
from machine.errors import NeverAnswered
from machine.waiting import Deadline
from substrates.contract import MILESTONES

PAUSE_SECONDS = 0.0005
# A guest that is asked before it listens spends its time on refusals; one that never prints `listening` is asked seldom.
BEFORE_SECONDS, AFTER_SECONDS = 0.02, 0.0005
# Of `vmlab up`: not the probe's 0.2 ms, because asking takes CPU from an emulated guest.
UP_PAUSE_SECONDS = 0.01
BOOT_LOOK_SECONDS, UP_LOOK_SECONDS = 1.0, 0.5  # how often libvirt is asked whether the guest still runs
CONNECT_SECONDS = 0.25  # TCP repeats a lost packet after a second: a new connection is sooner
ACCOUNT_SECONDS, BEHIND_SECONDS = 3.0, 1.0
LINES = 20
MARKS = (
    (b"vmlab-guest init", "init"),
    (b"vmlab-service first-line", "service"),
    (b"vmlab-service listening", "listening"),
)
_SEEN = re.compile(rb"vmlab-guest init cpus=(\d+) memory_bytes=(\d+)")
_ACCOUNT = re.compile(
    rb"Startup finished in (?:(\S+) \(firmware\) \+ )?(?:\S+ \(loader\) \+ )?(\S+) \(kernel\) \+ (.+?) \(userspace\)"
)


class Watch:
    """A console from now on: a context manager. `stamps_ns` are the milestones so far."""

    def __init__(self, path: Path) -> None:
        self.stamps_ns: dict[str, int] = {}
        self._path = path
        self._printed = b""
        self._listens, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    def lines(self) -> list[str]:
        """The guest's lines so far, without a terminal's colours."""
        return _lines(self._printed)

    def first_answer(
        self, url: str, deadline_ns: int, nonce: str = "", alive: Callable[[], bool] | None = None
    ) -> Answer | None:
        """The probe's first answer, with pauses that suit a guest; None also when the guest has ended."""
        return first_answer(
            url,
            deadline_ns,
            nonce,
            connect_seconds=CONNECT_SECONDS,
            pause_seconds=BEFORE_SECONDS,
            pause=self._pause,
            alive=alive,
            look_seconds=BOOT_LOOK_SECONDS,
        )

    def catch_up(self) -> None:
        """Wait briefly for the service's lines: the answer may come before them, since systemd forwards them to the
        console. Such a milestone counts as reached with the answer."""
        self._listens.wait(BEHIND_SECONDS)

    def account(self) -> dict[str, float]:
        """systemd's own account of the boot in seconds by part, {} without systemd. It comes shortly after the answer."""
        if b"systemd" not in self._printed:
            return {}
        deadline = Deadline(ACCOUNT_SECONDS)
        while not (found := _ACCOUNT.search(self._printed)) and deadline.pause(PAUSE_SECONDS):
            self._read()
        if not found:
            return {}
        named = zip(("firmware", "kernel", "userspace"), found.groups(), strict=True)
        return {name: _seconds(text.decode()) for name, text in named if text}

    def _pause(self, seconds: float) -> None:
        """This long, or until the guest listens; shorter after that."""
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
                file.seek(len(self._printed))
                fresh = file.read()
        except OSError:
            return
        if not fresh:
            return
        now = time.monotonic_ns()
        self._printed += fresh
        self.stamps_ns.setdefault("kernel", now)
        for mark, milestone in MARKS:
            if mark in self._printed:
                self.stamps_ns.setdefault(milestone, now)
        if "listening" in self.stamps_ns:
            self._listens.set()


def wait_for_answer(name: str, url: str, seconds: float, console: str) -> None:
    """Wait for the first 200 of a stack's guest; NeverAnswered with the last milestone and the end of the console when
    it does not come in time, or as soon as the guest has ended."""
    answer = first_answer(
        url,
        time.monotonic_ns() + int(seconds * 1e9),
        pause_seconds=UP_PAUSE_SECONDS,
        alive=lambda: domains.runs(name),
        look_seconds=UP_LOOK_SECONDS,
    )
    if answer is None:
        printed = _bytes(Path(console))
        raise NeverAnswered(name, _milestone(printed), seconds, _lines(printed)[-LINES:])


def seen_at_boot(console: Path) -> tuple[int | None, int | None]:
    """Online CPUs and MemTotal in bytes, as the guest's first process printed them at its last boot; None of a guest that
    does not."""
    found = _SEEN.findall(_bytes(console))
    return (int(found[-1][0]), int(found[-1][1])) if found else (None, None)


def _milestone(printed: bytes) -> str:
    """The last one that the console shows."""
    reached = {"sandboxed", *(["kernel"] if printed else [])}
    reached |= {milestone for mark, milestone in MARKS if mark in printed}
    return max(reached, key=MILESTONES.index)


def _lines(printed: bytes) -> list[str]:
    """Without a terminal's colours and carriage returns, and without empty lines."""
    plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", printed).decode(errors="replace")
    return [line.rstrip("\r") for line in plain.split("\n") if line.strip()]


def _bytes(console: Path) -> bytes:
    try:
        return console.read_bytes()
    except OSError:
        return b""


def _seconds(text: str) -> float:
    """Seconds of a time as systemd writes it: `1min 2.345s`, `812ms`."""
    units = {"min": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(min|ms|us|s)", text))
