"""Facts about this machine that belong to every result: what was measured where."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TypedDict

from machine import cgroups


class Host(TypedDict, total=False):
    """The machine when the run began; a reader must expect any of these to be absent."""

    cpu: str
    cores: int
    memory_bytes: int
    kernel: str
    os: str
    cgroups: str
    load_1min: float


def host() -> Host:
    """CPU, memory, kernel, and how busy the machine is now."""
    memory = _field(Path("/proc/meminfo"), "MemTotal", ":").split()
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name", ":") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": int(memory[0]) * 1024 if memory else 0,
        "kernel": platform.release(),
        "os": _field(Path("/etc/os-release"), "PRETTY_NAME", "=").strip('"'),
        "cgroups": cgroups.detect().mode,
        "load_1min": os.getloadavg()[0],
    }


def _field(path: Path, name: str, separator: str) -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(separator)[2].strip() for line in lines if line.startswith(name)), "")
