"""Brings the cluster up and down. The order of the programs is the supervisor's; when it is ready, readiness.py decides.

A cluster whose supervisor was killed continues with the objects it had. `down` discards them: the next cluster is new.
Out of scope: what a stack puts into it.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clients.kubernetes import places as run_time
from host import record
from host.daemon import Daemon
from host.kubernetes import (
    api,
    build,
    kubeconfigs,
    layout,
    leftovers,
    mounts,
    network,
    objects,
    pause,
    pki,
    programs,
    readiness,
    traces,
)
from host.reporting import Say
from machine import files, ports
from machine.errors import UnfitMachine, VmlabError
from machine.waiting import Deadline

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60
STOP_SECONDS = 40
PAUSE = 0.1  # between looks, which take CPU time from the programs that start
daemon = Daemon(run_time.ON_DISK)


def up(part: str, say: Say) -> None:
    """From nothing, or from what was killed, to a usable cluster. One that does not become ready is taken down again."""
    build.ensure(say)
    daemon.clear_stale(say)
    fresh, started = record.entry(part) is None, time.monotonic()
    from_nothing = fresh and daemon.pid() is None
    try:
        if daemon.pid() is None:
            _start(part, say)
        _wait(objects.make)
        _wait(readiness.trouble)
    except (VmlabError, KeyboardInterrupt):
        entry = record.entry(part)
        if fresh and entry:
            down(entry["before"], say)
            record.forget(part)
        raise
    if from_nothing:
        files.write_json(run_time.ready(), {"seconds": time.monotonic() - started})


def down(before: dict[str, Any], say: Say) -> None:
    """End the programs, then the pods, then undo what was changed on this machine."""
    daemon.stop(STOP_SECONDS)
    leftovers.clear(say, "which ran until now")
    for line in traces.undo(before):
        say(f"kubernetes: restored {line}")


def refuse_taken_ports() -> None:
    """UnfitMachine with the owner's name if a program's port is taken. Not checked while the cluster is up."""
    for port, program in layout.PORTS.items():
        if daemon.pid() is None and ports.taken(port):
            what = f"kubernetes: port {port}, which {program} needs, is taken by {ports.holder(port)}"
            raise UnfitMachine(what, "stop that program")


def workloads() -> list[str]:
    """The pods that run, as namespace/name."""
    try:
        rows = (api.get("/api/v1/pods") or {}).get("items", [])
    except VmlabError:
        return []
    return [f"{row['metadata']['namespace']}/{row['metadata']['name']}" for row in rows]


def _start(part: str, say: Say) -> None:
    leftovers.clear(say)
    # Recorded before anything starts, so that `down` cleans up after a killed `up`; a second `up` keeps the first record.
    if record.entry(part) is None:
        shutil.rmtree(layout.run(), ignore_errors=True)
        shutil.rmtree(layout.data(), ignore_errors=True)
        for name in programs.KNOWN:
            layout.log(name).unlink(missing_ok=True)
        record.keep(part, {"by": "child", "before": traces.take()})
    _make_files()
    traces.prepare()
    traces.make_cgroups()
    network.up()
    mounts.prepare()
    unshare = ["unshare", "--mount", "--propagation", "slave"]
    supervisor = [*unshare, sys.executable, "-m", "host.kubernetes.supervisor"]
    daemon.start(supervisor, {"PYTHONPATH": str(ROOT)})


def _make_files() -> None:
    for folder in (layout.run(), layout.data(), layout.configuration("")):
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    run_time.programs().unlink(missing_ok=True)
    if not pki.complete():
        pki.make()
    kubeconfigs.make()  # always: a kill may have come between the two
    pause.make()
    for program in programs.KNOWN.values():
        program.configure()


def _wait(trouble: Callable[[], str | None]) -> None:
    """Until there is no trouble. What fails meanwhile is retried: a starting server refuses (429, 500, 503) or is late."""
    deadline, found = Deadline(READY_SECONDS), ""

    def is_over() -> bool:
        nonlocal found
        try:
            found = trouble() or ""
        except VmlabError as error:
            found = str(error)
        return not found or daemon.pid() is None

    deadline.until(is_over, PAUSE)
    if not found:
        return
    if daemon.pid() is None:
        end = f"the end of {daemon.log}:\n{daemon.last_lines()}"
        raise VmlabError(f"kubernetes: its supervisor has exited; {end}")
    raise VmlabError(f"kubernetes: not ready after {READY_SECONDS} s: {found}; its log: {daemon.log}")
