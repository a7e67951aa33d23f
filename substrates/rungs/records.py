"""What runs on the rungs: one folder a copy under the run directory, with its spec, its plan, its log and its data.

By it a copy is found again without any state, and whatever it left on the host is taken away. The bridge, the addresses and
the lab's own level of cgroups are shared: one start at a time holds the lock while it takes what it needs, and what is shared
goes only when nobody holds it. Left out: how a copy is started (`launch`) and stopped (`substrates.namespaces`).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from machine import places, processes
from machine.errors import Unavailable, VmlabError
from substrates import rungs
from substrates.contract import BOOT_PREFIX
from substrates.rungs import cgroups, network

KIND = "namespaces"
MARK = "VMLAB_COPY"  # in the environment: by it a process is found whose starter was killed before it could note the pid
UNKNOWN = processes.Process(0, 0)
END_SECONDS = 5.0
LOCK_SECONDS = 60.0  # a start that has to stop a deaf copy of its name first takes 20


@dataclass(frozen=True)
class Definition:
    """All that is needed to start one copy."""

    name: str
    command: list[str]  # with {root}, {port}, {data}, {rendered}
    root: str  # the tree, on the host
    loader: (
        str  # the tree's own dynamic loader, for the rungs below a change of root; "" for a static program
    )
    library_path: list[str]
    port: int  # on the host's loopback, or with the rung `network` at the address
    health: str
    cpus: float
    memory_bytes: int
    rungs: tuple[str, ...]
    pids: int = 256
    address: str = ""  # with the rung `network`
    environment: dict[str, str] = field(default_factory=dict)
    secret_file: str = ""
    data: str = ""  # directory of the service's data; "" for a fresh one that goes with the copy
    templates: dict[str, str] = field(default_factory=dict)  # files that each copy renders for itself

    @property
    def networked(self) -> bool:
        """Whether it has an address of its own."""
        return "network" in self.rungs


@dataclass(frozen=True)
class Handle:
    """A copy that was started; its supervisor is the only process of it that is outside."""

    definition: Definition
    supervisor: processes.Process
    directory: str

    @property
    def url(self) -> str:
        """Where it answers."""
        host = self.definition.address if self.definition.networked else "127.0.0.1"
        return f"http://{host}:{self.definition.port}"

    @property
    def log(self) -> Path:
        """What it printed."""
        return Path(self.directory) / "log"

    @property
    def main(self) -> processes.Process:
        """The service's own process: the supervisor's child, or with the rung `pid` the child of its init."""
        found = self.supervisor
        for _ in range(2 if "pid" in self.definition.rungs else 1):
            children = [
                processes.find(pid) for pid in processes.tree(found.pid) if processes.parent(pid) == found.pid
            ]
            living = [child for child in children if child]
            if not living:
                return UNKNOWN
            found = min(living, key=lambda child: child.start_ticks)
        return found


def find(name: str) -> Handle | None:
    """The copy of this name, living or dead; None if there is none on record."""
    path = folder(name) / "spec.json"
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    supervisor = processes.Process(**raw["supervisor"])
    if supervisor == UNKNOWN:
        supervisor = next(iter(processes.by_environment(MARK, str(path.parent))), UNKNOWN)
    definition = Definition(**{**raw["definition"], "rungs": tuple(raw["definition"]["rungs"])})
    return Handle(definition, supervisor, str(path.parent))


def write(handle: Handle) -> None:
    """Put it on record, all or nothing."""
    path = Path(handle.directory) / "spec.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(
        json.dumps({"definition": asdict(handle.definition), "supervisor": asdict(handle.supervisor)})
    )
    fresh.chmod(0o600)
    fresh.rename(path)


def names() -> list[str]:
    """Every copy on record."""
    return sorted(path.name for path in places.run().joinpath(KIND).glob("*/"))


def folder(name: str) -> Path:
    """Where a copy's files are."""
    return places.run() / KIND / name


def log_tail(path: Path, lines: int = 40) -> list[str]:
    """The last lines of a log."""
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


# -- taking away


def forget(name: str, *, ended: bool = False) -> None:
    """Take away all that a copy without its supervisor has left: processes, links, cgroups, files.

    What is in its cgroups ends first, because there, and only there, it can be kept from forking meanwhile. `ended` when it
    ended by itself: with a PID namespace no process can be left then, and none is looked for."""
    handle = find(name)
    used = handle.definition.rungs if handle else rungs.NAMES
    for rung in reversed(rungs.RUNGS):
        if rung.name in used and (not rung.root or os.geteuid() == 0):
            rung.undo(name)
    if not (ended and "pid" in used):
        _end_strays(name)
    shutil.rmtree(folder(name), ignore_errors=True)
    tidy()


def sweep() -> None:
    """Remove the cgroups of copies whose supervisor was killed, or that nobody knows; what is being started is left alone."""
    for name in orphans():
        cgroups.here().remove(name)


def orphans() -> list[str]:
    """Copies that have a cgroup, and no record or one of a supervisor that has ended."""
    found = []
    for name in _grouped():
        handle = find(name)
        if handle is None or (handle.supervisor != UNKNOWN and not handle.supervisor.lives()):
            found.append(name)
    return found


def tidy() -> None:
    """Remove what the copies share when there is none; not while somebody starts one."""
    if os.geteuid() != 0:
        return
    with _locked(0.0) as alone:
        if alone and not names():
            network.remove_bridge()
            try:
                cgroups.here().remove_bases()
            except Unavailable:
                pass  # then there are none


@contextmanager
def starting() -> Iterator[None]:
    """While this is held, nobody else starts, so that no two take one address or make the bridge, and what the copies share
    stays. A start that fails may have been the one that made it."""
    try:
        with _locked(LOCK_SECONDS) as alone:
            if not alone:
                raise VmlabError(f"another start has held {network.LINKS} locked for {LOCK_SECONDS:g} s")
            yield
    except BaseException:
        tidy()
        raise


@contextmanager
def _locked(seconds: float) -> Iterator[bool]:
    """On a folder that is there anyway: it leaves no file, and every VMLAB_HOME of this machine has the same. A kill gives it
    back. Yields whether it was had in time; it is asked for again and again, because flock has no deadline. Without root
    nothing is shared."""
    if os.geteuid() != 0:
        yield True
        return
    file = os.open(network.LINKS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    deadline = time.monotonic() + seconds
    try:
        while not (had := _had(file)) and time.monotonic() < deadline:
            time.sleep(0.001)
        yield had
    finally:
        os.close(file)


def _had(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _grouped() -> list[str]:
    if os.geteuid() != 0:
        return []
    try:
        return cgroups.here().names()
    except Unavailable:
        return []


def strays(name: str) -> list[processes.Process]:
    """What was started for a copy and lives, its supervisor and the service included."""
    return processes.by_environment(MARK, str(folder(name)))


def _end_strays(name: str) -> None:
    """Without a PID namespace a service's children outlive it; with one they end a moment after the supervisor."""
    deadline = time.monotonic() + END_SECONDS
    while left := strays(name):
        for process in left:
            send(process, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise VmlabError(f"{name}: the processes {[process.pid for process in left]} do not end")
        time.sleep(0.001)


def send(process: processes.Process, number: signal.Signals) -> None:
    """Signal it, if it is still this very process."""
    if process.lives():
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            pass


def is_copy(name: str) -> bool:
    """Whether this is a copy that the lab booted, and not a stack's own."""
    return name.startswith(BOOT_PREFIX)
