"""Files of a killed libvirtd or virtlogd, recognised and removed; guests that outlived it, found.

libvirt 9.0 starts despite its stale files (its pid files count by a lock, its sockets are bound again), but until then a
client sees a socket that refuses. Kept are the notes in /run/libvirt/{qemu,network}: by them the next libvirtd knows
the guests and networks that run. Out of scope: what libvirt leaves in the kernel (`traces`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from host.libvirt import daemons
from host.reporting import Say
from machine import ports, processes


def clear(say: Say, folder: Path = daemons.RUN, proc: Path = processes.PROC) -> None:
    """Remove what has no running process, and report each file."""
    for path, why in _stale(folder, proc):
        path.unlink(missing_ok=True)
        say(f"libvirt: removed the stale {path} ({why})")


def holder(folder: Path = daemons.RUN, proc: Path = processes.PROC) -> int | None:
    """The libvirtd that runs according to libvirt's own pid file, answering or not."""
    return _living(folder / "libvirtd.pid", "libvirtd", proc)


def guests(folder: Path = daemons.RUN, proc: Path = processes.PROC) -> list[str]:
    """The names of the guests that run according to libvirt's notes, for a libvirtd that does not answer."""
    found = []
    for path in sorted((folder / "libvirt/qemu").glob("*.pid")):
        pid = processes.read_pid(path)
        if pid and (processes.name(pid, proc) or "").startswith("qemu"):
            found.append(path.stem)
    return found


def notes(folder: Path = daemons.RUN) -> list[str]:
    """The domains and networks that libvirt recorded as running, whether they still run or not."""
    return sorted(
        path.stem for kind in ("qemu", "network") for path in (folder / "libvirt" / kind).glob("*.xml")
    )


def _stale(folder: Path, proc: Path) -> Iterator[tuple[Path, str]]:
    for name in ("libvirtd", "virtlogd"):
        path = folder / f"{name}.pid"
        if path.exists() and _living(path, name, proc) is None:
            pid = processes.read_pid(path)
            now = processes.name(pid, proc) if pid else None
            yield path, f"pid {pid} is {now} now" if now else f"pid {pid} is gone"
    for path in sorted((folder / "libvirt").glob("*-sock*")):
        if path.is_socket() and not ports.accepts(path):
            yield path, "no process listens"


def _living(path: Path, comm: str, proc: Path) -> int | None:
    pid = processes.read_pid(path)
    return pid if pid and processes.name(pid, proc) == comm else None
