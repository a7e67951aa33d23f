"""Debian packages: what is installed, and installing what is not.

A command that is there by other means (docker-ce's dockerd) counts: installing Debian's docker.io over it would remove
it. Maintainer scripts must not start daemons behind our back: policy-rc.d refuses (Debian Policy 9.3.3, exit code 101).
That holds under systemd too, so that `up` sees the machine as it was before the daemon, and knows that it started it.
Out of scope: removing packages; they stay as a cache, as `host down` reports.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machine import commands
from machine.errors import Unavailable, VmlabError

POLICY = "#!/bin/sh\n# vmlab: daemons are started by `vmlab host up`; removed when its installation is done\nexit 101\n"
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
LISTS_ARE_OLD_AFTER = 7 * 24 * 3600
# Another apt (unattended-upgrades on a fresh machine) may hold dpkg's lock for a while.
APT = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=120")


@dataclass(frozen=True)
class Package:
    """A Debian package, and the command that stands for it where it was installed another way."""

    name: str
    command: str | None = None


def missing(packages: Sequence[Package]) -> list[str]:
    """The names of those that are neither installed nor stood in for."""
    wanted = [
        package.name for package in packages if not (package.command and commands.find(package.command))
    ]
    present = _installed() if wanted else set()
    return [name for name in dict.fromkeys(wanted) if name not in present]


def needs(packages: Sequence[Package], root: Path = Path("/")) -> None:
    """Unavailable if something is missing and this machine or user cannot install it."""
    names = missing(packages)
    if not names:
        return
    if not (root / "etc/debian_version").exists():
        commands = ", ".join(package.command or package.name for package in packages if package.name in names)
        raise Unavailable(f"{commands}: not found, and this is not a Debian", f"install {commands} by hand")
    if os.geteuid() != 0:
        fix = f"sudo apt-get install --no-install-recommends {' '.join(names)}"
        raise Unavailable(f"not installed: {' '.join(names)}; only root can install", fix)


def install(names: Sequence[str], say: Callable[[str], None], root: Path = Path("/")) -> None:
    """Install by name; the lists are fetched first when they are missing, old, or do not know a package."""
    fresh = not (_lists_are_old(root) or _without_candidate(names))
    if not fresh:
        _update(names, say)
    with _no_daemons(root):
        try:
            _install(names)
        except VmlabError:
            # Mirrors drop superseded versions, so lists that look young can name files that are gone.
            if not fresh:
                raise
            _update(names, say)
            _install(names)


def _installed() -> set[str]:
    """Every package that dpkg has fully installed; none where there is no dpkg."""
    if commands.find("dpkg-query") is None:
        return set()
    lines = commands.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n"], timeout_seconds=30
    ).splitlines()
    return {line.split()[0] for line in lines if line.endswith(" installed")}


def _install(names: Sequence[str]) -> None:
    command = [*APT, "install", "-y", "--no-install-recommends", *names]
    commands.run(command, timeout_seconds=1800, environment=QUIET)


def _update(names: Sequence[str], say: Callable[[str], None]) -> None:
    """Fetch the lists. A machine without a network but with old lists may still have the packages in its cache."""
    say("packages: fetching the lists")
    try:
        commands.run([*APT, "update"], timeout_seconds=600, environment=QUIET)
    except VmlabError as error:
        unknown = _without_candidate(names)
        if unknown:
            raise VmlabError(f"packages: no candidate for {' '.join(unknown)}, and\n{error}") from error
        say("packages: the lists could not be fetched; going on with the old ones")


def _without_candidate(names: Sequence[str]) -> list[str]:
    """Names of which apt knows no version. Of an unknown name it prints nothing at all."""
    known: set[str] = set()
    current = ""
    for line in commands.run(["apt-cache", "policy", *names], timeout_seconds=60).splitlines():
        if not line.startswith(" "):
            current = line.rstrip(":")
        elif line.strip().startswith("Candidate:") and "(none)" not in line:
            known.add(current)
    return [name for name in names if name not in known]


def _lists_are_old(root: Path) -> bool:
    """By the folder's time: a list's own time is that of the mirror."""
    lists = root / "var/lib/apt/lists"
    if not any(lists.glob("*_Packages*")):
        return True
    return time.time() - lists.stat().st_mtime > LISTS_ARE_OLD_AFTER


@contextmanager
def _no_daemons(root: Path) -> Iterator[None]:
    """Keep maintainer scripts from starting daemons. A policy of another origin stays."""
    policy = root / "usr/sbin/policy-rc.d"
    if not policy.exists():
        policy.write_text(POLICY)
        policy.chmod(0o755)
    try:
        yield
    finally:
        if policy.exists() and policy.read_text() == POLICY:
            policy.unlink()
