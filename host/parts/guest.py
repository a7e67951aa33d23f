"""Guests: the kernels, the initramfs and the disks that every VM boots from, made once from Debian packages.

Nothing runs: "running" means that the cache has what would be built now. Out of scope: the disks of other services than ours,
which `vmlab run --service` makes.
"""

from __future__ import annotations

import os

from host import packages
from host.guest import build
from host.packages import Package
from host.reporting import Say, Status
from machine.errors import Unavailable, VmlabError
from substrates.vm import guest

NAME = "guest"
PACKAGES: tuple[Package, ...] = (
    Package("gcc", "gcc"),
    Package("libc6-dev"),
    Package("linux-libc-dev"),
    Package("lz4", "lz4"),
    Package("e2fsprogs", "mke2fs"),
)
FIX = "vmlab host up guest"


def needs() -> None:
    packages.needs(PACKAGES)
    if os.geteuid() != 0:
        raise Unavailable("the disks' files belong to root, so only root can make them", f"sudo {FIX}")


def downloads() -> list[str]:
    return (
        ["two Debian kernels and the package lists of the second (about 100 MB)"]
        if status().state == "missing"
        else []
    )


def status() -> Status:
    try:
        built = build.is_built()
    except VmlabError as error:
        return Status(NAME, "missing", False, str(error).splitlines()[0], FIX)
    if not built:
        return Status(NAME, "missing", False, "not built yet", FIX)
    kernels = guest.index()["kernels"]
    releases = ", ".join(f"{name} {one['release']}" for name, one in kernels.items())
    return Status(NAME, "running", False, f"built: {releases}")


def up(say: Say) -> None:
    build.build(say)


def down(say: Say, *, force: bool = False) -> None:
    del force  # nothing runs
    say("guest: kernels and disks stay as a cache")
