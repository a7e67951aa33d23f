"""Starting a copy: everything is checked and laid out, its rungs write their plan, and the launcher carries it out.

`prepare` does all that is not the start itself, so that a boot can be timed without it. The launcher reports on a FIFO how
far it came. The FIFO's end is the instant at which the program runs; an error is one line, and nothing is left behind.
"""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from machine import addresses, places, ports, processes
from machine.commands import launch as start_process
from machine.errors import InvalidInput, Unavailable, VmlabError
from machine.waiting import Deadline
from substrates import rungs
from substrates.copies import records, removal
from substrates.copies.records import MARK, NAMESPACES, UNKNOWN, Definition, Handle
from substrates.inputs import artifact as artifacts
from substrates.rungs import launcher, network, roots
from substrates.rungs.files import SECRET_PATH
from substrates.rungs.rung import Plan, Setting, Stage

START_SECONDS = 10.0
DATA_INSIDE = "/data"


@dataclass(frozen=True)
class Prepared:
    """A copy that is laid out and not yet started."""

    handle: Handle
    command: list[str]
    environment: dict[str, str]


def prepare(definition: Definition, destroy: Callable[[Handle], None]) -> Prepared:
    """Check it, clear its name, make its folders and its plan. InvalidInput or Unavailable before anything of it was made.

    A dead copy of its name is removed before taken addresses are looked for, because it may hold one; a living one after."""
    used = rungs.chosen(definition.rungs)
    if definition.root:
        roots.check(Path(definition.root))
    _clear_dead(definition)
    refuse_taken(definition)
    program = launcher.program()
    removal.sweep()
    if leftover := records.find(definition.kind, definition.name):
        destroy(leftover)
    if definition.networked:
        network.make_bridge()
    fresh = replace(definition, data=definition.data or str(definition.folder / "data"))
    handle = Handle(fresh, UNKNOWN)
    try:
        _lay_out(handle)
        plan, setting = Plan(is_bare=not fresh.supervised), _setting(fresh)
        _begin(plan, setting)
        for rung in used:
            rung.apply(plan, setting)
        (handle.directory / "plan").write_text(plan.text(_command(fresh)))
    except BaseException:
        removal.forget(fresh.kind, fresh.name)
        raise
    command = [str(program), str(handle.directory / "plan"), str(handle.directory / "status")]
    return Prepared(handle, command, _environment(fresh))


def launch(prepared: Prepared) -> tuple[Handle, dict[str, int]]:
    """Start it; returns when its program has been executed: the copy, and when it reached what (CLOCK_MONOTONIC, ns).

    VmlabError in one line, with nothing left, if it could not be started."""
    definition, directory = prepared.handle.definition, prepared.handle.directory
    status = os.open(directory / "status", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        pid = start_process(
            prepared.command,
            environment=prepared.environment,
            directory=Path(definition.data),
            log=directory / "log",
        )
        accepted = time.monotonic_ns()
        dead = processes.Process(pid, 0)  # to be reaped; no living process has this start
        process = processes.find(pid) or dead
        reported = _until_closed(status, process)
    finally:
        os.close(status)
    handle = replace(prepared.handle, process=process)
    rows = [line.partition(" ") for line in reported.splitlines()]
    stamps = {key: int(value) for key, _, value in rows if key in ("sandboxed", "init")}
    if "sandboxed" not in stamps or any(key == "error" for key, _, _ in rows):
        raise _failed(handle, next((value for key, _, value in rows if key == "error"), ""))
    if not definition.supervised:
        stamps = {}  # nothing isolates it
    return handle, {"accepted": accepted, **stamps}


def _until_closed(status: int, process: processes.Process) -> str:
    """What the launcher reports until no process of it has the FIFO open: its program has replaced it."""
    reported, deadline = b"", Deadline(START_SECONDS)
    waiting = select.poll()
    waiting.register(status, select.POLLIN)
    while not deadline.passed:
        if waiting.poll(50):
            piece = os.read(status, 4096)
            if not piece:
                break
            reported += piece
        elif not process.lives():
            break
    return reported.decode(errors="replace")


def _failed(handle: Handle, text: str) -> VmlabError:
    """Remove the copy; the error that states why it did not start."""
    removal.await_end(handle.process, START_SECONDS)
    definition, tail = handle.definition, records.log_tail(handle.log, 3)
    removal.forget(definition.kind, definition.name)
    if text.startswith("clone") and "user" in definition.rungs and os.geteuid() != 0:
        return Unavailable(
            f"user namespaces are not allowed here ({text})",
            "as root: sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1",
        )
    reason = text or "; ".join(tail) or "the launcher was killed"
    return VmlabError(f"{definition.name} could not be started: {reason}")


# -- checking and laying out


def refuse_taken(definition: Definition) -> None:
    """InvalidInput when another copy, or another program, has the address or the port. What a copy of this name holds does
    not count: a start removes it first."""
    if not definition.networked:
        owner = ports.owner(definition.port)
        own = [process.pid for process in records.strays(definition.kind, definition.name)] if owner else []
        if owner and owner[0] not in own:
            ports.refuse_taken(definition.port)
        return
    for name in records.names(NAMESPACES):
        other = records.find(NAMESPACES, name) if name != definition.name else None
        if other and other.process.lives() and other.definition.address == definition.address:
            raise InvalidInput(
                f"the address {definition.address} is taken by {name} (pid {other.process.pid})"
            )
    network.refuse_taken(definition.name, definition.address)


def _clear_dead(definition: Definition) -> None:
    """Remove a dead copy of this name, also one whose removal was killed after its record was gone."""
    leftover = records.find(definition.kind, definition.name)
    if definition.folder.exists() and not (leftover and leftover.process.lives()):
        removal.forget(definition.kind, definition.name)


def _lay_out(handle: Handle) -> None:
    """The record first, so that a kill from here on leaves a trace."""
    directory, definition = handle.directory, handle.definition
    for folder in (places.run(), directory.parent, directory):
        _make(folder, 0o755)
    records.write(handle)
    for folder in (Path(definition.data), directory / "tmp"):
        _make(folder, 0o700, owner=True)
    for target, text in definition.templates.items():
        path = directory / "rendered" / target.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artifacts.filled(text, **_marks(definition)))
        path.chmod(0o644)
    os.mkfifo(directory / "status", 0o600)


def _setting(definition: Definition) -> Setting:
    directory = definition.folder
    return Setting(
        name=definition.name,
        directory=directory,
        root=Path(definition.root),
        data=Path(definition.data),
        rungs=frozenset(definition.rungs),
        user=addresses.USER,
        own=os.geteuid(),
        cpus=definition.cpus,
        memory_bytes=definition.memory_bytes,
        pids=definition.pids,
        address=definition.address,
        secret_file=definition.secret_file,
        rendered={target: directory / "rendered" / target.lstrip("/") for target in definition.templates},
    )


def _begin(plan: Plan, setting: Setting) -> None:
    """What is done without any rung: as root the service's user, and an affinity where no cgroup limits the CPUs."""
    if setting.own == 0 and "user" not in setting.rungs:
        plan.add(Stage.BECOME, "become", setting.user, 1)
    if "limits" not in setting.rungs:
        plan.add(Stage.HOLD, "affinity", max(1, math.ceil(setting.cpus)))


def _command(definition: Definition) -> list[str]:
    """How the bytes are run: where their root is `/`, or in place through their own loader with their own libraries."""
    words = [artifacts.filled(word, **_marks(definition)) for word in definition.command]
    if "chroot" in definition.rungs or not definition.loader:
        return words
    root = Path(definition.root)
    libraries = ":".join(str(root / part) for part in definition.library_path)
    return [str(root / definition.loader), "--library-path", libraries, *words]


def _marks(definition: Definition) -> dict[str, str]:
    own_root = "chroot" in definition.rungs
    return {
        "port": str(definition.port),
        "root": "" if own_root else definition.root,
        "data": DATA_INSIDE if own_root else definition.data,
        "rendered": "" if own_root else str(definition.folder / "rendered"),
    }


def _environment(definition: Definition) -> dict[str, str]:
    given = {
        "PORT": str(definition.port),
        "BIND": definition.address if definition.networked else addresses.LOOPBACK,
        "DATA_DIR": _marks(definition)["data"],
        MARK: str(definition.folder),
    }
    if definition.secret_file:
        given["SECRET_FILE"] = SECRET_PATH if "chroot" in definition.rungs else definition.secret_file
    return {"PATH": "/usr/bin:/bin", **definition.environment, **given}


def _make(directory: Path, mode: int, *, owner: bool = False) -> None:
    if not directory.exists():
        directory.mkdir(parents=True)
        directory.chmod(mode)
    if owner and os.geteuid() == 0:
        os.chown(directory, addresses.USER, addresses.USER)
