"""The artifact: the root file system with the service in it, built once, and its image in the loopback registry."""

from __future__ import annotations

import os
from collections.abc import Callable

from host import packages
from host.artifact import build
from host.errors import HostError, Unavailable
from host.packages import Package
from host.parts.status import Status

NAME = "artifact"
PACKAGES: tuple[Package, ...] = (
    Package("mmdebstrap", "mmdebstrap"),
    Package("gcc", "gcc"),
    Package("libc6-dev"),
)
Say = Callable[[str], None]


def needs() -> None:
    packages.needs(PACKAGES)
    if os.geteuid() != 0:
        raise Unavailable(
            "the tree's files belong to root, so only root can make it", "sudo vmlab host up artifact"
        )


def status() -> Status:
    try:
        built = build.is_built()
    except HostError as error:
        return Status(NAME, "missing", False, str(error).splitlines()[0], "vmlab host up artifact")
    if built:
        return Status(NAME, "running", False, "built, in the cache")
    return Status(NAME, "missing", False, "not built yet", "vmlab host up artifact")


def up(say: Say) -> None:
    index = build.build(build.OURS, say)
    slim = index["variants"]["slim"]
    say(f"artifact: {index['artifact'][:19]}, {slim['tree_bytes'] / 1e6:.0f} MB, image {slim['image']}")


def down(say: Say, *, force: bool = False) -> None:
    del force  # nothing runs
    say("artifact: stays as a cache")
