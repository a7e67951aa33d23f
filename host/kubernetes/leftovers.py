"""Pods that outlive their cluster: a shim does not end with containerd, nor a container with its shim.

Found by the address of our containerd and by our control group. Out of scope: the programs themselves, which the kernel
kills with their supervisor.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from clients.kubernetes import places as run_time
from host.daemon import end
from host.kubernetes import layout
from host.reporting import Say
from machine import cgroups, processes


def strays() -> list[int]:
    """Shims of our containerd, and every process in our control group."""
    address = str(run_time.containerd_socket())
    shims = [
        pid
        for pid in processes.pids()
        if (words := processes.command(pid)) and "containerd-shim" in words[0] and address in words
    ]
    inside = {pid for group in cgroups.named(layout.cgroup()) for pid in members(group)}
    return [*sorted(inside - set(shims)), *shims]


def clear(say: Say, what: str = "which an ended cluster left") -> None:
    """End them: containers first, so that their shims can clean up; then the shims."""
    found = strays()
    for pid in found:
        end(pid, 0.0)
    if found:
        say(f"kubernetes: ended {len(found)} processes of pods, {what}")


def members(group: Path) -> list[int]:
    """The processes in a control group and below. One of another pid namespace is 0 and not ours."""
    found: set[int] = set()
    for path in group.rglob("cgroup.procs"):
        with suppress(OSError):  # it was just removed
            found |= set(map(int, path.read_text().split()))
    return sorted(pid for pid in found if pid and processes.start_ticks(pid) is not None)
