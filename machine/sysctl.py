"""Kernel parameters below /proc/sys: noted before a daemon starts, put back when it has ended.

Names are paths (`net/ipv4/ip_forward`), because the names of links may contain dots. Out of scope: sysctl.conf.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

FOLDER = Path("/proc/sys")


def read(name: str) -> str | None:
    """The value, or None where the kernel has no such parameter."""
    try:
        return (FOLDER / name).read_text().strip()
    except OSError:
        return None


def write(name: str, value: str) -> None:
    """Set the parameter."""
    (FOLDER / name).write_text(value)


def snapshot(names: Iterable[str]) -> dict[str, str | None]:
    """The values now."""
    return {name: read(name) for name in names}


def put_back(before: Mapping[str, str | None]) -> list[str]:
    """Set what has another value than in `before` again; `net.ipv4.ip_forward = 0` for each that was changed.

    What was absent before stays as it is."""
    changed = []
    for name, value in before.items():
        if value is not None and read(name) not in (None, value):
            write(name, value)
            changed.append(f"{name.replace('/', '.')} = {value}")
    return changed
