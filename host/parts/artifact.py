"""The artifact: the root file system with the service in it, built once, and its images in the loopback registry.

Nothing runs: "running" means that the cache has what would be built now, and the registry its images. Out of scope: other
services than ours, which `host.artifact.build.build` makes from their service.toml.
"""

from __future__ import annotations

import os

from host import packages
from host.artifact import build
from host.packages import Package
from host.reporting import Say, Status
from machine.errors import Unavailable, VmlabError

NAME = "artifact"
PACKAGES: tuple[Package, ...] = (
    Package("mmdebstrap", "mmdebstrap"),
    Package("gcc", "gcc"),
    Package("libc6-dev"),
)


def needs() -> None:
    packages.needs(PACKAGES)
    if os.geteuid() != 0:
        raise Unavailable(
            "the tree's files belong to root, so only root can make it", "sudo vmlab host up artifact"
        )


def downloads() -> list[str]:
    return (
        ["the Debian packages of the root file systems (about 100 MB)"] if status().state == "missing" else []
    )


def status() -> Status:
    fix = "vmlab host up artifact"
    try:
        if not build.is_built():
            return Status(NAME, "missing", False, "not built yet", fix)
    except VmlabError as error:
        return Status(NAME, "missing", False, str(error).splitlines()[0], fix)
    try:
        if build.is_pushed():
            return Status(NAME, "running", False, "built, and its images are in the registry")
    except VmlabError as error:
        return Status(NAME, "stopped", False, f"built; {str(error).splitlines()[0]}", f"{fix} registry")
    return Status(NAME, "stopped", False, "built; its images are not in the registry", fix)


def up(say: Say) -> None:
    index = build.build(build.OURS, say)
    slim = index["variants"]["slim"]
    say(f"artifact: {index['artifact'][:19]}, {slim['tree_bytes'] / 1e6:.0f} MB, image {slim['image']}")


def down(say: Say, *, force: bool = False) -> None:
    del force  # nothing runs
    say("artifact: the trees and the images stay as a cache")
