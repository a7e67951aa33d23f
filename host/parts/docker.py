"""Docker: the daemon that runs already, else systemd's, else a child of ours.

A daemon that answers is used and never changed. Ours gets its addresses from `machine.addresses`, so that it cannot collide
with a network of the user's. Out of scope: images, and rootless Docker.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from clients import docker
from host import packages, record, systemd
from host.daemon import Daemon, end
from host.docker import leftovers, traces
from host.packages import Package
from host.reporting import Say, Status
from machine import addresses, cgroups, commands
from machine.errors import Unavailable, VmlabError
from machine.waiting import Deadline

NAME = "docker"
PACKAGES: tuple[Package, ...] = (
    Package("docker.io", "dockerd"),
    Package("iptables", "iptables"),
    Package("iproute2", "ip"),
    Package("ca-certificates"),
)
UNITS = ("docker.socket", "docker.service", "containerd.service")
READY_SECONDS = 30
# dockerd itself waits 15 s for containers before it kills them.
STOP_SECONDS = 30
# By their names in daemon.json: dockerd refuses an option that is given in both places.
OPTIONS = {
    "hosts": f"--host=unix://{docker.SOCKET}",
    "pidfile": "--pidfile=/var/run/docker.pid",
    "exec-root": "--exec-root=/var/run/docker",
    "data-root": "--data-root=/var/lib/docker",
    "bip": f"--bip={addresses.DOCKER_BRIDGE}",
    "default-address-pools": f"--default-address-pool=base={addresses.DOCKER},size={addresses.DOCKER_POOL_BITS}",
}
CONFIGURATION = Path("/etc/docker/daemon.json")

_daemon = Daemon("dockerd")


def needs() -> None:
    socket = docker.address()
    if socket.resolve() != docker.SOCKET.resolve():
        raise Unavailable(
            f"DOCKER_HOST names {socket}, where no daemon answers", "unset DOCKER_HOST, or start that daemon"
        )
    packages.needs(PACKAGES)
    if os.geteuid() != 0:
        raise Unavailable("no Docker answers, and only root can start one", "sudo vmlab host up docker")
    living = leftovers.holder()
    if living and not docker.answers(socket):
        raise Unavailable(
            f"dockerd (pid {living}) runs but does not answer at {socket}", f"kill -USR1 {living}"
        )


def downloads() -> list[str]:
    return []


def status() -> Status:
    socket = docker.address()
    if docker.answers(socket):
        detail = f"{docker.version(socket)} at {socket}"
        return Status(NAME, "running", _ours(), detail)
    fix = "vmlab host up docker"
    if record.entry(NAME):
        return Status(
            NAME, "stopped", True, f"started by vmlab, but it has exited; its log: {_daemon.log}", fix
        )
    if commands.find("dockerd") is None:
        return Status(NAME, "missing", False, "dockerd is not installed", fix)
    return Status(NAME, "stopped", False, f"no daemon answers at {socket}", fix)


def up(say: Say) -> None:
    _daemon.clear_stale(say)
    leftovers.clear(say)
    # A second `up` keeps the first one's view of the machine before.
    entry = record.entry(NAME) or _first_look()
    # Recorded before anything starts, so that `down` undoes a killed `up`.
    record.keep(NAME, entry)
    try:
        _start(entry)
    except VmlabError:
        _take_back(entry, say)
        raise


def down(say: Say, *, force: bool = False) -> None:
    entry = record.entry(NAME)
    if entry is None:
        say("docker: not started by vmlab, left alone")
        return
    socket = docker.SOCKET
    if docker.answers(socket) and not _ours():
        _daemon.clear_stale(say)
        record.forget(NAME)
        say("docker: ours has ended and another daemon answers now; it is left alone")
        return
    _refuse_while_used(socket, force)
    _take_back(entry, say)
    say("docker: down; its packages and /var/lib/docker stay as a cache")


def _first_look() -> dict[str, Any]:
    """What will start it, and the machine before."""
    by = "systemd" if systemd.running() else "child"
    units = [unit for unit in UNITS if not systemd.active(unit)] if by == "systemd" else []
    return {"by": by, "units": units, "cgroups_mounted": cgroups.mount(), "before": traces.take()}


def _start(entry: dict[str, Any]) -> None:
    if entry["by"] == "systemd":
        systemd.start("docker")
        _wait_for_systemd()
        return
    _daemon.start(["dockerd", *_options()])
    _daemon.wait(lambda: docker.answers(docker.SOCKET), READY_SECONDS)


def _wait_for_systemd() -> None:
    if not Deadline(READY_SECONDS).until(lambda: docker.answers(docker.SOCKET)):
        raise VmlabError(
            f"docker.service started, but {docker.SOCKET} does not answer", "journalctl -u docker -n 50"
        )


def _options() -> list[str]:
    try:
        configured = json.loads(CONFIGURATION.read_text())
    except FileNotFoundError:
        configured = {}
    except ValueError as error:
        raise VmlabError(f"{CONFIGURATION}: not JSON ({error})") from error
    return [option for key, option in OPTIONS.items() if key not in configured]


def _ours() -> bool:
    """Whether the daemon that answers is the one that was recorded."""
    entry = record.entry(NAME)
    if entry is None:
        return False
    return entry["by"] == "systemd" or _daemon.pid() is not None


def _refuse_while_used(socket: Path, force: bool) -> None:
    """Stopping the daemon stops the containers, which only --force may do."""
    if force:
        return
    if docker.answers(socket):
        names = docker.running_containers(socket)
    else:
        names = [f"a container without its dockerd (shim {pid})" for pid in leftovers.shims()]
    if names:
        raise VmlabError(
            f"docker: containers still run: {', '.join(names)}\n  next: stop them, or vmlab host down --force docker"
        )


def _take_back(entry: dict[str, Any], say: Say) -> None:
    if entry["by"] == "systemd":
        for unit in entry["units"]:
            systemd.stop(unit)
    else:
        _daemon.stop(STOP_SECONDS)
        for pid in leftovers.survivors():
            end(pid, 5)
    leftovers.clear(say)
    for line in traces.undo(entry["before"]):
        say(f"docker: undid {line}")
    leftovers.remove_folders(entry["before"]["absent"])
    if entry["cgroups_mounted"]:
        cgroups.unmount()
    record.forget(NAME)
