"""libvirt-python, built for the interpreter that runs and put into its environment.

It is published as source only, and Debian's own package is for Debian's interpreter. Both it and what builds it come
from locks with hashes; pip's own isolated build would fetch the newest builder unchecked. 7 s the first time. The
launcher may recreate the environment, so it is checked each time. Out of scope: using it (`clients/libvirt`).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
import sys
import sysconfig
import tempfile
from pathlib import Path

from host.packages import Package
from host.reporting import Say
from machine import commands
from machine.errors import Unavailable, VmlabError

ROOT = Path(__file__).resolve().parents[2]
LOCK, BUILD_LOCK = ROOT / "requirements-libvirt.lock", ROOT / "requirements-libvirt-build.lock"
PIP = (
    sys.executable,
    "-m",
    "pip",
    "--disable-pip-version-check",
    "install",
    "--quiet",
    "--require-hashes",
    "--no-deps",
)
BUILD_SECONDS = 600


def wanted() -> str:
    """The version in the lock."""
    found = re.search(r"^libvirt-python==(\S+)", LOCK.read_text(), re.MULTILINE)
    if found is None:
        raise VmlabError(f"{LOCK}: no libvirt-python in it")
    return found[1]


def version() -> str | None:
    """The version that this interpreter can import, or None. `libvirtmod` is the compiled half."""
    importlib.invalidate_caches()
    if importlib.util.find_spec("libvirtmod") is None:
        return None
    try:
        return importlib.metadata.version("libvirt-python")
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def needs() -> None:
    """Unavailable if it is missing and cannot be put into this interpreter's environment."""
    if version() == wanted():
        return
    if sys.prefix == sys.base_prefix:
        raise Unavailable(
            f"libvirt-python {wanted()} is not installed, and {sys.executable} has no environment of its own",
            "use ./vmlab",
        )
    if not os.access(sysconfig.get_path("platlib"), os.W_OK):
        raise Unavailable(
            f"libvirt-python {wanted()} is not installed, and {sys.prefix} is not yours",
            "sudo vmlab host up libvirt",
        )


def downloads() -> list[str]:
    """What `install` would download."""
    return (
        [] if version() == wanted() else [f"libvirt-python {wanted()} and its builder, as source from PyPI"]
    )


def install(say: Say) -> None:
    """Build and install it if it is missing, or another version than the lock's."""
    if version() == wanted():
        return
    with tempfile.TemporaryDirectory(prefix="vmlab-build-") as builder:
        commands.run([*PIP, "--target", builder, "-r", str(BUILD_LOCK)], timeout_seconds=BUILD_SECONDS)
        environment = {"PYTHONPATH": builder}
        commands.run(
            [*PIP, "--no-build-isolation", "-r", str(LOCK)],
            timeout_seconds=BUILD_SECONDS,
            environment=environment,
        )
    say(f"libvirt: built libvirt-python {version()} into {sys.prefix}")


def headers() -> tuple[Package, ...]:
    """Debian's Python has its headers in a separate package; others include them."""
    if (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return ()
    return (Package(f"libpython{sys.version_info.major}.{sys.version_info.minor}-dev"),)
