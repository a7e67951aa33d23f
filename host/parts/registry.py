"""An image registry on loopback: Debian's docker-registry with a configuration of its own.

It is a child of ours even where systemd runs, because Debian's unit listens on every address. A registry that answers on the
port already is used and never changed. Out of scope: TLS and passwords, which loopback does not need.
"""

from __future__ import annotations

from pathlib import Path

from clients.registry import Registry
from host import packages, record
from host.daemon import Daemon
from host.packages import Package
from host.reporting import Say, Status
from machine import addresses, commands, files, places, ports
from machine.errors import VmlabError

NAME = "registry"
PACKAGES: tuple[Package, ...] = (Package("docker-registry", "docker-registry"),)
PORT = int(addresses.REGISTRY.rpartition(":")[2])
READY_SECONDS = 15

_daemon = Daemon("registry")


def needs() -> None:
    _refuse_taken_port()
    packages.needs(PACKAGES)


def downloads() -> list[str]:
    return []


def status() -> Status:
    if _answers():
        ours = record.entry(NAME) is not None and _daemon.pid() is not None
        return Status(NAME, "running", ours, addresses.REGISTRY + (f", storage {_storage()}" if ours else ""))
    fix = "vmlab host up registry"
    if record.entry(NAME):
        return Status(
            NAME, "stopped", True, f"started by vmlab, but it has exited; its log: {_daemon.log}", fix
        )
    if ports.taken(PORT):
        return Status(
            NAME, "stopped", False, f"port {PORT} is taken by {ports.holder(PORT)}", "stop that program"
        )
    if commands.find("docker-registry") is None:
        return Status(NAME, "missing", False, "docker-registry is not installed", fix)
    return Status(NAME, "stopped", False, f"no process listens at {addresses.REGISTRY}", fix)


def up(say: Say) -> None:
    _daemon.clear_stale(say)
    record.keep(NAME, {"by": "child"})
    try:
        _daemon.start(["docker-registry", "serve", str(_write_configuration())])
        _daemon.wait(_answers, READY_SECONDS)
    except VmlabError:
        _take_back()
        raise


def down(say: Say, *, force: bool = False) -> None:
    del force  # never refused: nothing runs in a registry
    if record.entry(NAME) is None:
        say("registry: not started by vmlab, left alone")
        return
    _take_back()
    say(f"registry: down; its package and {_storage()} stay as a cache")


def _take_back() -> None:
    _daemon.stop()
    _configuration().unlink(missing_ok=True)
    record.forget(NAME)


def _refuse_taken_port() -> None:
    if ports.taken(PORT) and not _answers():
        raise VmlabError(
            f"registry: port {PORT} is taken by {ports.holder(PORT)}, which is not a registry; stop that program"
        )


def _answers() -> bool:
    return Registry(seconds=2).answers()


def _storage() -> Path:
    return places.cache() / "registry"


def _configuration() -> Path:
    return places.run() / "registry.yml"


def _write_configuration() -> Path:
    """JSON is YAML. Deleting is enabled, so that images of removed stacks need not be kept."""
    settings = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(places.make(_storage()))},
            "delete": {"enabled": True},
        },
        "http": {"addr": addresses.REGISTRY},
    }
    files.write_json(_configuration(), settings)
    return _configuration()
