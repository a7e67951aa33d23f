"""Facts about this machine that belong to every result: what was measured where."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def host() -> dict[str, str | int | float]:
    """CPU, memory, kernel, and how busy it is now."""
    memory = _field(Path("/proc/meminfo"), "MemTotal", ":").split()
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name", ":") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": int(memory[0]) * 1024 if memory else 0,
        "kernel": platform.release(),
        "os": _field(Path("/etc/os-release"), "PRETTY_NAME", "=").strip('"'),
        "cgroups": "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1 or hybrid",
        "load_1min": os.getloadavg()[0],
    }


def _field(path: Path, name: str, separator: str) -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(separator)[2].strip() for line in lines if line.startswith(name)), "")
