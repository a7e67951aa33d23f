"""Files of a killed Docker that would keep the next one from starting, recognised and removed.

dockerd refuses to start when any process has the pid in its pid file, waits for a containerd whose pid is another program's
now, and connects to /run/containerd/containerd.sock for a minute if only the file exists (20.10). Out of scope: what Docker
leaves in the kernel (`traces`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from host.reporting import Say
from machine import ports, processes

RUN = Path("/var/run")


def clear(say: Say, folder: Path = RUN, proc: Path = processes.PROC) -> None:
    """Remove what belongs to no living process, and report each."""
    for path, why in _stale(folder, proc):
        path.unlink(missing_ok=True)
        say(f"docker: removed the stale {path} ({why})")


def holder(folder: Path = RUN, proc: Path = processes.PROC) -> int | None:
    """The pid of the dockerd that runs according to Docker's own pid file, whether it answers or not."""
    return _living(folder / "docker.pid", "dockerd", proc)


def survivors(folder: Path = RUN, proc: Path = processes.PROC) -> list[int]:
    """containerd, shims and what runs below them, of the daemon that used this folder: shims outlive a killed dockerd."""
    containerd = _living(folder / "docker/containerd/containerd.pid", "containerd", proc)
    # The number may be another containerd's by now: Docker's own is started with a configuration in this folder.
    own = containerd and any("/docker/containerd/" in word for word in processes.command(containerd, proc))
    found = [containerd] if containerd and own else []
    for shim in shims(folder, proc):
        found += [shim, *processes.tree(shim, proc)[1:]]
    return found


def shims(folder: Path = RUN, proc: Path = processes.PROC) -> list[int]:
    """The containers' shims, by the address of their containerd; it is spelled with and without /var."""
    addresses = {f"{spelled}/docker/containerd/containerd.sock" for spelled in (folder, folder.resolve())}
    found = []
    for pid in processes.pids(proc):
        words = processes.command(pid, proc)
        if words and "containerd-shim" in words[0] and addresses & set(words):
            found.append(pid)
    return found


def remove_folders(absent: list[str]) -> None:
    """Remove the run folders that were not there before `up`; what is mounted below must be gone by now."""
    for name in absent:
        shutil.rmtree(name, ignore_errors=True)


def _stale(folder: Path, proc: Path) -> Iterator[tuple[Path, str]]:
    daemon, containerd = folder / "docker.pid", folder / "docker/containerd/containerd.pid"
    for path, comm in ((daemon, "dockerd"), (containerd, "containerd")):
        if path.exists() and _living(path, comm, proc) is None:
            pid = processes.read_pid(path)
            now = processes.name(pid, proc) if pid else None
            yield path, f"pid {pid} is {now} now" if now else f"pid {pid} is gone"
    for path in (
        folder / "docker.sock",
        containerd.with_suffix(".sock"),
        folder / "containerd/containerd.sock",
    ):
        if path.is_socket() and not ports.accepts(path):
            yield path, "no process listens"


def _living(path: Path, comm: str, proc: Path) -> int | None:
    pid = processes.read_pid(path)
    return pid if pid and processes.name(pid, proc) == comm else None
