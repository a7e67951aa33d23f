"""Brings the cluster up and down, and says how it is. The order of the programs is the supervisor's.

A cluster whose supervisor was killed goes on with the objects it had. `down` throws them away: the next one is new.
Left out: what a stack puts into it.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    supervisor,
    traces,
)
from host.kubernetes.errors import Refused
from machine import ports
from machine.errors import VmlabError

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
READY = "ready.json"  # how long it took from nothing, for who measures (substrates/kubernetes/node.py)
READY_SECONDS = 60
STOP_SECONDS = 40
# Each look is a TLS handshake, and the machine has better things to do while programs start.
PAUSE = 0.1
daemon = Daemon("cluster")
Say = Callable[[str], None]


def up(part: str, say: Say) -> None:
    """From nothing, or from what was killed, to a node that is Ready. What cannot be made ready is taken back."""
    build.ensure(say)
    daemon.clear_stale(say)
    fresh, started = record.entry(part) is None, time.monotonic()
    from_nothing = fresh and daemon.pid() is None
    try:
        if daemon.pid() is None:
            _start(part, say)
        _wait("the API server", lambda: api.answers("/readyz"))
        _wait("what a fresh API server lacks", _objects_are_made)
        _wait("the node", lambda: not trouble())
        # Without it a pod is refused: the controllers make it a moment after their start.
        _wait("the default service account", lambda: api.get(ACCOUNT) is not None)
    except (VmlabError, KeyboardInterrupt):
        entry = record.entry(part)
        if fresh and entry:
            down(entry["before"], say)
            record.forget(part)
        raise
    if from_nothing:
        (layout.run() / READY).write_text(json.dumps({"seconds": time.monotonic() - started}))


def down(before: dict[str, Any], say: Say) -> None:
    """End the programs, then the pods, then take back what was changed."""
    daemon.stop(STOP_SECONDS)
    leftovers.clear(say, "which ran until now")
    for line in traces.undo(before):
        say(f"kubernetes: took back {line}")


def refuse_taken_ports() -> None:
    """Refused, with the owner's name, if anybody listens where a program will. Not asked while the cluster is up."""
    for port, program in layout.PORTS.items():
        if daemon.pid() is None and ports.taken(port):
            found = ports.owner(port)
            who = f"{found[1]} (pid {found[0]})" if found else "a process of another user"
            raise Refused(
                f"kubernetes: port {port}, which {program} needs, is taken by {who}", "stop that program"
            )


def trouble() -> str:
    """Why the cluster cannot be used right now, or nothing: every program lives, the API answers, the node is Ready."""
    noted = supervisor.noted()
    for child in noted:
        if not supervisor.living(child):
            return _ended(child)
    if len(noted) < len(programs.KNOWN):
        return "its programs have not started yet"
    try:
        if not api.answers("/readyz"):
            return f"the API server at {layout.API} is not ready"
        if not _node_ready():
            return f"{layout.NODE} is not Ready"
    except VmlabError as error:
        return str(error)
    silent = [name for name, program in programs.KNOWN.items() if not program.ready()]
    return f"no answer from {', '.join(silent)}" if silent else ""


def restarts() -> dict[str, int]:
    """How often the supervisor started a program again."""
    return {child["name"]: child["restarts"] for child in supervisor.noted() if child["restarts"] > 0}


def workloads() -> list[str]:
    """Pods of somebody, as namespace/name."""
    try:
        found = api.get("/api/v1/pods") or {}
    except VmlabError:
        return []
    names = [pod["metadata"] for pod in found.get("items", [])]
    return [f"{one['namespace']}/{one['name']}" for one in names]


def _start(part: str, say: Say) -> None:
    leftovers.clear(say)
    # Recorded before anything starts, so that `down` mends a killed `up`; a second `up` keeps the first one's view.
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
    command = [
        "unshare",
        "--mount",
        "--propagation",
        "slave",
        sys.executable,
        "-m",
        "host.kubernetes.supervisor",
    ]
    daemon.start(command, {"PYTHONPATH": str(ROOT)})


def _make_files() -> None:
    for folder in (layout.run(), layout.data(), layout.configuration("")):
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    (layout.run() / "programs.json").unlink(missing_ok=True)
    if not pki.complete():
        pki.make()
    kubeconfigs.make()  # always: a kill may have come between the two
    pause.make()
    for program in programs.KNOWN.values():
        program.configure()


def _wait(what: str, ready: Callable[[], bool]) -> None:
    """Until it is so. What fails meanwhile is tried again: a server that starts refuses (429, 500, 503) or is late."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        said = ""
        try:
            if ready():
                return
        except VmlabError as error:
            said = str(error)
        if daemon.pid() is None:
            raise VmlabError(
                f"kubernetes: its supervisor has ended; {daemon.log} says:\n{daemon.last_lines()}"
            )
        if time.monotonic() > deadline:
            why = said or trouble()
            raise VmlabError(f"kubernetes: {what} was not ready after {READY_SECONDS} s: {why}")
        time.sleep(PAUSE)


def _objects_are_made() -> bool:
    objects.make()
    return True


def _ended(child: dict[str, Any]) -> str:
    path = layout.log(child["name"])
    if child["restarts"] < 0:
        return f"{child['name']} has not started yet"
    lines = path.read_text(errors="replace").strip().splitlines()[-1:] if path.exists() else []
    said = f": {lines[0][:200]}" if lines else ""
    return (
        f"{child['name']} has ended (exit code {child['exit_code']}) and is started again; {path} says{said}"
    )


def _node_ready() -> bool:
    node = api.get(f"/api/v1/nodes/{layout.NODE}") or {}
    conditions = node.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
