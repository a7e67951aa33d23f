"""Starting a copy: everything is checked and laid out, its rungs write their plan, and the launcher carries it out.

`prepare` is all that is not the start itself, so that a boot can be timed without it. The launcher says on a FIFO how far it
came; the FIFO's end is the moment when the program runs, and an error is told in one line, with nothing left behind.
"""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from machine import places, ports, processes
from machine.commands import launch as start_process
from machine.errors import InvalidInput, Unavailable, VmlabError
from substrates import rungs
from substrates.inputs import artifact as artifacts
from substrates.rungs import launcher, network, records, roots
from substrates.rungs.files import SECRET_PATH
from substrates.rungs.records import MARK, UNKNOWN, Definition, Handle
from substrates.rungs.rung import Plan, Setting, Stage

USER = 65532  # "nonroot" of the distroless images: no account of the host has it
START_SECONDS = 10.0
DATA_INSIDE = "/data"


@dataclass(frozen=True)
class Prepared:
    """A copy that is laid out and not yet started."""

    handle: Handle
    command: list[str]
    environment: dict[str, str]


@dataclass(frozen=True)
class Started:
    """A copy that runs, and when it came how far (CLOCK_MONOTONIC, nanoseconds)."""

    handle: Handle
    stamps_ns: dict[str, int] = field(default_factory=dict)


def prepare(definition: Definition, destroy: Callable[[Handle], None]) -> Prepared:
    """Check it, clear its name, make its folders and its plan. InvalidInput or Unavailable before anything of it was made.

    A dead copy of its name goes before what is taken is looked for, because it may hold that; a living one goes after."""
    used = rungs.chosen(definition.rungs)
    roots.check(Path(definition.root))
    _clear_dead(definition.name)
    refuse_taken(definition)
    program = launcher.program()
    records.sweep()
    if leftover := records.find(definition.name):
        destroy(leftover)
    if definition.networked:
        network.make_bridge()
    directory = records.folder(definition.name)
    fresh = replace(definition, data=definition.data or str(directory / "data"))
    handle = Handle(fresh, UNKNOWN, str(directory))
    try:
        _lay_out(handle)
        plan, setting = Plan(), _setting(handle)
        _begin(plan, setting)
        for rung in used:
            rung.apply(plan, setting)
        (directory / "plan").write_text(plan.text(_command(fresh, directory)))
    except BaseException:
        records.forget(fresh.name)
        raise
    command = [str(program), str(directory / "plan"), str(directory / "status")]
    return Prepared(handle, command, _environment(fresh, directory))


def launch(prepared: Prepared) -> Started:
    """Start it; back when its program has been executed. VmlabError in one line, and nothing left, when it could not be."""
    directory = Path(prepared.handle.directory)
    status = os.open(directory / "status", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        pid = start_process(
            prepared.command,
            environment=prepared.environment,
            directory=Path(prepared.handle.definition.data),
            log=directory / "log",
        )
        accepted = time.monotonic_ns()
        dead = processes.Process(pid, 0)  # to be reaped, and nobody that lives
        supervisor = processes.find(pid) or dead
        said = _until_closed(status, supervisor)
    finally:
        os.close(status)
    handle = replace(prepared.handle, supervisor=supervisor)
    rows = [line.partition(" ") for line in said.splitlines()]
    stamps = {key: int(value) for key, _, value in rows if key in ("sandboxed", "init")}
    if "sandboxed" not in stamps or any(key == "error" for key, _, _ in rows):
        raise _failed(handle, next((value for key, _, value in rows if key == "error"), ""))
    return Started(handle, {"accepted": accepted, **stamps})


def _until_closed(status: int, supervisor: processes.Process) -> str:
    """What the launcher says until nobody of it can say any more: its program has replaced it."""
    said, deadline = b"", time.monotonic() + START_SECONDS
    waiting = select.poll()
    waiting.register(status, select.POLLIN)
    while time.monotonic() < deadline:
        if waiting.poll(50):
            piece = os.read(status, 4096)
            if not piece:
                break
            said += piece
        elif not supervisor.lives():
            break
    return said.decode(errors="replace")


def _failed(handle: Handle, text: str) -> VmlabError:
    """Take the copy away, and say why."""
    deadline = time.monotonic() + START_SECONDS
    while handle.supervisor.lives() and time.monotonic() < deadline:
        reap(handle.supervisor)
        time.sleep(0.001)
    reap(handle.supervisor)
    name, tail = handle.definition.name, records.log_tail(handle.log, 3)
    records.forget(name)
    if text.startswith("clone") and "user" in handle.definition.rungs and os.geteuid() != 0:
        return Unavailable(
            f"user namespaces are not allowed here ({text})",
            "as root: sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1",
        )
    return VmlabError(
        f"{name} could not be started: {text or '; '.join(tail) or 'its supervisor was killed'}"
    )


def reap(process: processes.Process) -> None:
    """Our own child must be reaped; somebody else's is reaped by its parent."""
    try:
        os.waitpid(process.pid, os.WNOHANG)
    except ChildProcessError:
        pass


# -- checking and laying out


def refuse_taken(definition: Definition) -> None:
    """InvalidInput when another copy, or another program, has the address or the port. What a dead copy of this name has left
    is in nobody's way: a start takes it away first."""
    if not definition.networked:
        owner = ports.owner(definition.port)
        if owner and owner[0] not in [process.pid for process in records.strays(definition.name)]:
            ports.refuse_taken(definition.port)
        return
    for name in records.names():
        other = records.find(name) if name != definition.name else None
        if other and other.supervisor.lives() and other.definition.address == definition.address:
            raise InvalidInput(
                f"the address {definition.address} is taken by {name} (pid {other.supervisor.pid})"
            )
    network.refuse_taken(definition.name, definition.address)


def _clear_dead(name: str) -> None:
    """Take away a copy without a supervisor. One without a record too: its removal was killed when the record had gone."""
    leftover = records.find(name)
    if records.folder(name).exists() and not (leftover and leftover.supervisor.lives()):
        records.forget(name)


def _lay_out(handle: Handle) -> None:
    """The record first of all, so that a kill from here on leaves a trace."""
    directory, definition = Path(handle.directory), handle.definition
    for folder in (places.run(), directory.parent, directory):
        _make(folder, 0o755)
    records.write(handle)
    for folder in (Path(definition.data), directory / "tmp"):
        _make(folder, 0o700, owner=True)
    for target, text in definition.templates.items():
        path = directory / "rendered" / target.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artifacts.filled(text, **_marks(definition, directory)))
        path.chmod(0o644)
    os.mkfifo(directory / "status", 0o600)


def _setting(handle: Handle) -> Setting:
    directory, definition = Path(handle.directory), handle.definition
    return Setting(
        name=definition.name,
        directory=directory,
        root=Path(definition.root),
        data=Path(definition.data),
        rungs=frozenset(definition.rungs),
        user=USER,
        own=os.geteuid(),
        cpus=definition.cpus,
        memory_bytes=definition.memory_bytes,
        pids=definition.pids,
        address=definition.address,
        secret_file=definition.secret_file,
        rendered={target: directory / "rendered" / target.lstrip("/") for target in definition.templates},
    )


def _begin(plan: Plan, setting: Setting) -> None:
    """What is done without any rung: another user where we are root, and where nothing holds the CPUs an affinity."""
    if setting.own == 0 and "user" not in setting.rungs:
        plan.add(Stage.BECOME, "become", setting.user, 1)
    if "limits" not in setting.rungs:
        plan.add(Stage.HOLD, "affinity", max(1, math.ceil(setting.cpus)))


def _command(definition: Definition, directory: Path) -> list[str]:
    """How the bytes are run: where their root is `/`, or in place through their own loader with their own libraries."""
    words = [artifacts.filled(word, **_marks(definition, directory)) for word in definition.command]
    if "chroot" in definition.rungs or not definition.loader:
        return words
    root = Path(definition.root)
    libraries = ":".join(str(root / part) for part in definition.library_path)
    return [str(root / definition.loader), "--library-path", libraries, *words]


def _marks(definition: Definition, directory: Path) -> dict[str, str]:
    own_root = "chroot" in definition.rungs
    return {
        "port": str(definition.port),
        "root": "" if own_root else definition.root,
        "data": DATA_INSIDE if own_root else definition.data,
        "rendered": "" if own_root else str(directory / "rendered"),
    }


def _environment(definition: Definition, directory: Path) -> dict[str, str]:
    given = {
        "PORT": str(definition.port),
        "BIND": definition.address if definition.networked else "127.0.0.1",
        "DATA_DIR": _marks(definition, directory)["data"],
        MARK: str(directory),
    }
    if definition.secret_file:
        given["SECRET_FILE"] = SECRET_PATH if "chroot" in definition.rungs else definition.secret_file
    return {"PATH": "/usr/bin:/bin", **definition.environment, **given}


def _make(directory: Path, mode: int, *, owner: bool = False) -> None:
    if not directory.exists():
        directory.mkdir(parents=True)
        directory.chmod(mode)
    if owner and os.geteuid() == 0:
        os.chown(directory, USER, USER)
