"""What pods and the cluster use of this machine, by process and control group. Only where the cluster is on this machine.

A pod's processes are those whose control group's path has its uid, and its shim, which is outside. Out of scope: other nodes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clients.kubernetes import places
from machine import cgroups, files
from machine import processes as proc
from substrates.contract import Limits


def processes(uid: str) -> list[int]:
    """The pids of a pod: its containers', the pause container's, and the shim's that is their parent."""
    inside = [pid for pid in _pids() if _is_of(pid, uid)]
    return inside + sorted({proc.parent(pid) for pid in inside} - {*inside, 0, 1})


def cgroup_bytes(uid: str) -> int | None:
    """Memory of the pod's control group, the one above its containers', v2 or v1."""
    found = next(iter(processes(uid)), None)
    return None if found is None else cgroups.memory_bytes(found, above=1)


def limits(container: str) -> Limits | None:
    """What a running container's control group limits; None when it does not run on this machine."""
    found = next((pid for pid in _pids() if _is_of(pid, container)), None)
    held = None if found is None else cgroups.held(found)
    if held is None:
        return None
    return Limits(held.cpus, held.memory_bytes, enforced=bool(held.cpus and held.memory_bytes))


def written_bytes(uid: str) -> int:
    """What a pod's containers wrote: to their own layers, and to `/data` where that is the pod's own volume."""
    folders = set()
    for pid in processes(uid):
        for target, options in _mounts(pid):
            if target == "/" and (upper := options.get("upperdir")):
                folders.add(Path(upper))
            elif target == "/data":
                folders.add(Path("/proc", str(pid), "root", "data"))
    return sum(map(_size, folders))


def image_bytes(uid: str) -> int:
    """The layers below the largest of a pod's containers, unpacked, as they lie on this machine; the pause image is not it."""
    sizes = [0]
    for pid in processes(uid):
        lower = next((options.get("lowerdir", "") for target, options in _mounts(pid) if target == "/"), "")
        sizes.append(sum(_size(Path(layer)) for layer in lower.split(":") if layer))
    return max(sizes)


def fixed() -> dict[str, tuple[int, float]]:
    """What the node and the control plane use with no pod: PSS in bytes and CPU seconds so far, by program."""
    programs: list[dict[str, Any]] = files.read_json(places.programs()) or []
    found = {}
    for row in programs:
        process = proc.find(int(row.get("pid") or 0))
        if process is not None and process.start_ticks == row.get("start"):
            found[str(row["name"])] = (proc.pss_bytes(process.pid), proc.cpu_seconds(process.pid))
    return found


def ready_seconds() -> float | None:
    """How long the lab's cluster took from nothing to a node that takes pods; None where none was brought up from nothing."""
    noted = files.read_json(places.ready())
    return float(noted["seconds"]) if noted else None


def _pids() -> list[int]:
    return [int(entry.name) for entry in proc.PROC.iterdir() if entry.name.isdigit()]


def _is_of(pid: int, id_: str) -> bool:
    """Whether its control group carries an id; the systemd driver writes its dashes as underscores."""
    try:
        text = (proc.PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return False
    return id_ in text or id_.replace("-", "_") in text


def _mounts(pid: int) -> list[tuple[str, dict[str, str]]]:
    """Where a process has what mounted: the target and the file system's options."""
    try:
        rows = (proc.PROC / str(pid) / "mountinfo").read_text().splitlines()
    except OSError:
        return []
    split = [row.split() for row in rows]
    return [(row[4], dict(word.partition("=")[::2] for word in row[-1].split(","))) for row in split]


def _size(folder: Path) -> int:
    """Of all files below a folder, once each; those that are removed meanwhile count nothing."""
    total, seen = 0, set()
    for path in folder.rglob("*"):
        try:
            found = path.lstat()
        except OSError:
            continue
        if found.st_ino not in seen:
            seen.add(found.st_ino)
            total += found.st_blocks * 512
    return total
