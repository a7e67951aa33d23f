"""The parent of the cluster's programs: starts each when what it waits for is ready, and again when it has exited.

A separate process (`python -m host.kubernetes.supervisor`), in the cluster's mount namespace. The kernel kills its
children when it is killed (PR_SET_PDEATHSIG), so that no part of a cluster runs unsupervised; it has one thread because that
signal comes when the spawning thread ends. What it did is in programs.json. Out of scope: making files and networks.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from clients.kubernetes import places
from host.daemon import end
from host.kubernetes import layout, mounts, programs
from machine import commands, files, processes

TICK_SECONDS = 0.05
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 10.0
STEADY_SECONDS = 30.0
STOP_SECONDS = 3.0


@dataclass
class Child:
    """One program as the supervisor knows it. `restarts`: how often it was started again."""

    name: str
    pid: int = 0
    start: int = 0
    restarts: int = -1
    exit_code: int | None = None
    pause_seconds: float = FIRST_PAUSE_SECONDS
    started: float = 0.0
    not_before: float = 0.0


def noted() -> list[dict[str, Any]]:
    """What the supervisor has written, read from any process; nothing if it has not."""
    found = files.read_json(places.programs())
    return found if isinstance(found, list) else []


def living(child: dict[str, Any]) -> bool:
    """Whether the noted process lives now."""
    return bool(child["pid"]) and processes.start_ticks(child["pid"]) == child["start"]


def main() -> int:
    """Run until SIGTERM."""
    mounts.make()
    wakened, waking = socket.socketpair()
    _listen_to_signals(wakened, waking)
    children, written = {name: Child(name) for name in programs.KNOWN}, ""
    while not _stopping:
        _collect(children)
        waiting = _start_what_may(children)
        text = json.dumps([asdict(child) for child in children.values()], indent=1) + "\n"
        if text != written:
            files.write(places.programs(), text)
            written = text
        readable, _, _ = select.select([wakened], [], [], TICK_SECONDS if waiting else None)
        if readable:
            wakened.recv(4096)
    # In reverse: pods' logs and states are written before the programs that store them stop.
    for child in reversed(children.values()):
        if child.pid:
            started = time.monotonic()
            end(child.pid, STOP_SECONDS)
            sys.stderr.write(f"{child.name}: ended in {time.monotonic() - started:.2f} s\n")
    return 0


_stopping: list[int] = []


def _listen_to_signals(wakened: socket.socket, waking: socket.socket) -> None:
    """`wakened` becomes readable when a child has ended or this process is to stop."""
    for one in (wakened, waking):
        one.setblocking(False)
    signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: _stopping.append(got))


def _collect(children: dict[str, Child]) -> None:
    """Note what has exited, and when it may start again: at once after a steady run, with growing pauses in a crash loop."""
    now = time.monotonic()
    for child in children.values():
        if child.pid and (code := commands.ended(child.pid)) is not None:
            steady = now - child.started > STEADY_SECONDS
            child.pause_seconds = (
                FIRST_PAUSE_SECONDS if steady else min(2 * child.pause_seconds, LONGEST_PAUSE_SECONDS)
            )
            child.pid, child.exit_code, child.not_before = 0, code, now + child.pause_seconds


def _start_what_may(children: dict[str, Child]) -> bool:
    """Start what is not running or paused and whose requirements are ready; whether anything still waits."""
    ready: dict[str, bool] = {}
    for child in children.values():
        if child.pid or time.monotonic() < child.not_before:
            continue
        program = programs.KNOWN[child.name]
        for need in program.AFTER:
            ready[need] = ready.get(need) or (bool(children[need].pid) and programs.KNOWN[need].ready())
        if all(ready[need] for need in program.AFTER):
            _start(child)
    return any(not child.pid for child in children.values())


def _start(child: Child) -> None:
    command = ["setpriv", "--pdeathsig", "KILL", "--", *programs.KNOWN[child.name].command()]
    child.pid = commands.spawn(command, log=layout.log(child.name))
    child.start = processes.start_ticks(child.pid) or 0
    child.started = time.monotonic()
    child.restarts += 1


if __name__ == "__main__":
    sys.exit(main())
