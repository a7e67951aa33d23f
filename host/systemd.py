"""Hosts where systemd runs: its services are used, not ours beside them.

Out of scope: unit files of our own; Debian's packages bring theirs.
"""

from __future__ import annotations

from pathlib import Path

from machine import commands
from machine.errors import VmlabError


def running(root: Path = Path("/")) -> bool:
    """sd_booted(3): this folder exists exactly when systemd is the init. Installed is not running."""
    return (root / "run/systemd/system").is_dir()


def active(unit: str) -> bool:
    """Whether the unit is active now."""
    try:
        commands.run(["systemctl", "is-active", "--quiet", unit], timeout_seconds=10)
    except VmlabError:
        return False
    return True


def start(unit: str) -> None:
    """Start the unit; systemctl waits until the service reports that it is ready."""
    _control("start", unit)


def stop(unit: str) -> None:
    """Stop the unit."""
    _control("stop", unit)


def _control(verb: str, unit: str) -> None:
    try:
        commands.run(["systemctl", verb, unit], timeout_seconds=90)
    except VmlabError as error:
        raise VmlabError(f"{error}\n  next: journalctl -u {unit} -n 50") from error
