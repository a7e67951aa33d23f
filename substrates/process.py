"""The service as a bare process on the host: the traditional deployment, and the floor of the comparison.

It runs the artifact's own bytes in place, through the artifact's dynamic loader, as an unprivileged user with
no_new_privs, no capabilities and limits on files and processes. Nothing isolates it: it sees the host's processes,
network and kernel. A CPU limit is an affinity to that many processors; memory cannot be limited, and that is said.

What runs is known from one spec file a name under the run directory, so that it is found again without any state.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from clients.http_probe import first_answer
from machine import places, ports, processes
from machine.commands import launch
from machine.errors import NeverAnswered, VmlabError
from machine.waiting import answer_seconds
from substrates.contract import (
    BOOT_PREFIX,
    MILESTONES,
    Boot,
    Footprint,
    Request,
    Slot,
    service_stamps,
)
from substrates.inputs import artifact as artifacts

USER = 65532  # "nonroot" of the distroless images: no account of the host has it
KIND = "process"
LIMITS = ["prlimit", "--nofile=1024:1024", "--nproc=256:256", "--core=0:0"]
STOP_SECONDS = 10.0
MARK = "VMLAB_COPY"  # in the environment: by it a process is found whose starter was killed before it could note the pid
UNKNOWN = processes.Process(0, 0)


@dataclass(frozen=True)
class Definition:
    """All that is needed to start one copy."""

    name: str
    command: list[str]
    port: int
    health: str
    cpus: float
    memory_bytes: int
    environment: dict[str, str] = field(default_factory=dict)
    secret_file: str = ""
    data: str = ""  # directory of the service's data; "" for a fresh one that goes with the copy
    templates: dict[str, str] = field(default_factory=dict)  # files that each copy renders below {rendered}


@dataclass(frozen=True)
class Handle:
    """A copy that was started."""

    definition: Definition
    process: processes.Process
    directory: str

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.definition.port}"

    @property
    def log(self) -> Path:
        """What it printed."""
        return Path(self.directory) / "log"


# -- start and stop


def start(definition: Definition) -> Handle:
    """Start a copy; what an interrupted run left under the same name is stopped first. Does not wait for an answer."""
    return _launched(_prepared(definition))


def _launched(definition: Definition) -> Handle:
    directory, data = _directory(definition.name), Path(definition.data)
    pid = launch(
        _command(definition), environment=_environment(definition), directory=data, log=directory / "log"
    )
    process = processes.find(pid)
    if process is None:
        raise VmlabError(f"{definition.name} ended at once:\n" + "\n".join(log_tail(directory / "log")))
    handle = Handle(definition, process, str(directory))
    _write(handle)
    _limit(handle)
    return handle


def _prepared(definition: Definition) -> Definition:
    """Clear the name, see that the port is free, make the directories: all that is not the start itself."""
    if leftover := find(definition.name):
        destroy(leftover)
    ports.refuse_taken(definition.port)
    directory = _directory(definition.name)
    data = Path(definition.data or directory / "data")
    _make(directory, 0o755)
    fresh = replace(definition, data=str(data))
    _write(Handle(fresh, UNKNOWN, str(directory)))  # first of all, so that a kill from here on leaves a trace
    _make(data, 0o700, owner=True)
    _render(fresh)
    return fresh


def wait(handle: Handle) -> None:
    """Wait until it answers its health path; NeverAnswered with the end of its log."""
    seconds = answer_seconds()
    deadline = time.monotonic_ns() + int(seconds * 1e9)
    step = time.monotonic_ns() + int(0.2e9)
    while time.monotonic_ns() < deadline and handle.process.lives():
        if first_answer(handle.url + handle.definition.health, min(step, deadline)):
            return
        step = time.monotonic_ns() + int(0.2e9)
    milestone = "accepted" if handle.process.lives() else "accepted, then it ended"
    raise NeverAnswered(handle.definition.name, milestone, seconds, log_tail(handle.log))


def destroy(handle: Handle) -> None:
    """Stop it and everything it started, and forget it. Done when it is gone; its own data directory stays if it was given."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not handle.process.lives():
            break
        _signal_session(handle.process.pid, number)
        _await_end(handle.process, STOP_SECONDS)
    if handle.process.lives():
        raise VmlabError(f"{handle.definition.name} (pid {handle.process.pid}) does not end")
    _signal_session(handle.process.pid, signal.SIGKILL)  # children that outlived it
    shutil.rmtree(handle.directory, ignore_errors=True)


# -- fresh copies, as `contract` has them


def definition(instance: dict[str, Any]) -> Definition:
    """The stack's own spec file."""
    handle = find(instance["name"])
    if handle is None or not handle.process.lives():
        raise VmlabError(f"the process {instance['name']} is not running; vmlab up process")
    return handle.definition


def boot(definition: Definition, slot: Slot, request: Request) -> Boot:
    """Start a copy; `accepted` is when the child exists, the rest is what the service says itself."""
    environment = {**definition.environment, "NONCE": request.nonce}
    fresh = replace(definition, name=slot.name, port=slot.port, data="", environment=environment)
    fresh = _prepared(fresh)
    stamps = {"requested": time.monotonic_ns()}
    handle = _launched(fresh)
    stamps["accepted"] = time.monotonic_ns()
    deadline = stamps["requested"] + int(request.seconds * 1e9)
    answer = first_answer(handle.url + request.path, deadline, request.expected)
    log = "\n".join(log_tail(handle.log))
    stamps |= service_stamps(log)
    if answer is None:
        destroy(handle)
        raise NeverAnswered(slot.name, max(stamps, key=MILESTONES.index), request.seconds, log.splitlines())
    return Boot(handle, {**stamps, "answered": answer.at_ns})


def footprint(copy: Handle) -> Footprint:
    """Of the process and everything it started."""
    pids = processes.tree(copy.process.pid)
    return Footprint(
        pss_bytes=sum(map(processes.pss_bytes, pids)),
        cgroup_bytes=None,
        cpu_seconds=sum(map(processes.cpu_seconds, pids)),
        disk_instance_bytes=sum(f.lstat().st_blocks * 512 for f in Path(copy.directory).rglob("*")),
    )


def artifact(instance: dict[str, Any]) -> str:
    """The digest of the tree that the running process has its program from."""
    handle = find(instance["name"])
    root = "" if handle is None else str(Path(f"/proc/{handle.process.pid}/exe").readlink())
    return next((a.digest for a in artifacts.everything() if root.startswith(f"{a.root}/")), "")


def image_bytes(instance: dict[str, Any]) -> int:
    """The tree that its program runs from."""
    digest = artifact(instance)
    return next((a.variants["slim"]["tree_bytes"] for a in artifacts.everything() if a.digest == digest), 0)


def remove_copies() -> None:
    """Stop and forget the copies of a run that was interrupted."""
    _remove_all([name for name in names() if name.startswith(BOOT_PREFIX)])


def everything_labelled() -> list[str]:
    """Every process of the lab on record, copies included."""
    return names()


def remove_labelled() -> None:
    """Stop and forget them."""
    _remove_all(names())


def _remove_all(found: list[str]) -> None:
    for name in found:
        if handle := find(name):
            destroy(handle)
        else:  # killed while it was made
            shutil.rmtree(_directory(name), ignore_errors=True)


# -- find and read back


def find(name: str) -> Handle | None:
    """The copy of this name, living or dead; None if there is none on record."""
    path = _directory(name) / "spec.json"
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    process = processes.Process(**raw["process"])
    if process == UNKNOWN:
        process = next(iter(processes.by_environment(MARK, str(path.parent))), UNKNOWN)
    return Handle(Definition(**raw["definition"]), process, str(path.parent))


def names() -> list[str]:
    """Every copy on record."""
    return sorted(path.name for path in _root().glob("*"))


def limits(instance: dict[str, Any]) -> dict[str, float | int | bool]:
    """What the running process is held to: CPUs by its affinity; memory not at all."""
    handle = find(instance["name"])
    if handle is None:
        raise VmlabError(f"the process {instance['name']} is not running; vmlab up process")
    cpus = len(os.sched_getaffinity(handle.process.pid))
    return {
        "cpus": min(handle.definition.cpus, cpus),
        "memory_bytes": handle.definition.memory_bytes,
        "enforced": False,
    }


def log_tail(path: Path, lines: int = 40) -> list[str]:
    """The last lines of a log."""
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


# -- inside


def _command(definition: Definition) -> list[str]:
    """Limits first, then, as root, drop the user, every capability and the way back. Each is one exec, about 1 ms.

    Not from outside with prlimit(2): that wants CAP_SYS_RESOURCE, which root in a container may lack."""
    words = [artifacts.filled(word, **_marks(definition)) for word in definition.command]
    as_user = ["setpriv", "--no-new-privs", "--", *words]
    if os.geteuid() == 0:
        drop = [
            "--reuid",
            str(USER),
            "--regid",
            str(USER),
            "--clear-groups",
            "--inh-caps=-all",
            "--bounding-set=-all",
        ]
        as_user[1:1] = drop
    return [*LIMITS, *as_user]


def _marks(definition: Definition) -> dict[str, str]:
    """What a copy has of its own, for its command and its templates."""
    rendered = str(_directory(definition.name) / "rendered")
    return {"port": str(definition.port), "data": definition.data, "rendered": rendered}


def _render(definition: Definition) -> None:
    """Write the copy's own configuration files, readable by its user and nobody's to change."""
    rendered = _directory(definition.name) / "rendered"
    for target, text in definition.templates.items():
        path = rendered / target.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artifacts.filled(text, **_marks(definition)))
        path.chmod(0o644)


def _environment(definition: Definition) -> dict[str, str]:
    given = {
        "PORT": str(definition.port),
        "BIND": "127.0.0.1",
        "DATA_DIR": definition.data,
        MARK: str(_directory(definition.name)),
    }
    secret = {"SECRET_FILE": definition.secret_file} if definition.secret_file else {}
    return {"PATH": "/usr/bin:/bin", **definition.environment, **given, **secret}


def _limit(handle: Handle) -> None:
    """The CPU limit is put on the child from outside, so that it can be changed; what it starts inherits it."""
    try:
        available = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(handle.process.pid, available[: max(1, math.ceil(handle.definition.cpus))])
    except ProcessLookupError:
        pass  # it ended; `wait` tells with its log


def set_cpus(handle: Handle, cpus: float) -> Handle:
    """Change the CPU limit of a running copy."""
    changed = replace(handle, definition=replace(handle.definition, cpus=cpus))
    _write(changed)
    _limit(changed)
    return changed


def _write(handle: Handle) -> None:
    path = Path(handle.directory) / "spec.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"definition": asdict(handle.definition), "process": asdict(handle.process)}))
    fresh.chmod(0o600)
    fresh.rename(path)


def _signal_session(session: int, number: signal.Signals) -> None:
    try:
        os.killpg(session, number)
    except (ProcessLookupError, PermissionError):
        pass


def _await_end(process: processes.Process, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while process.lives() and time.monotonic() < deadline:
        try:  # our own child must be reaped; somebody else's is reaped by its parent
            os.waitpid(process.pid, os.WNOHANG)
        except ChildProcessError:
            pass
        time.sleep(0.001)


def _make(directory: Path, mode: int, *, owner: bool = False) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(mode)
    if owner and os.geteuid() == 0:
        os.chown(directory, USER, USER)


def _root() -> Path:
    return places.run() / KIND


def _directory(name: str) -> Path:
    return _root() / name
