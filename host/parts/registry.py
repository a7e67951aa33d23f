"""An image registry on loopback: Debian's docker-registry with a configuration of its own.

It is a child of ours even where systemd runs: Debian's unit listens on every address. Whoever answers /v2/ on the port
already is used and never touched. Left out: TLS and passwords, which loopback needs none of.
"""

from __future__ import annotations

import http.client
import json
from pathlib import Path

from host import packages, record
from host.daemon import Daemon
from host.packages import Package
from host.reporting import Say, Status
from machine import commands, places, ports
from machine.errors import VmlabError

NAME = "registry"
PACKAGES: tuple[Package, ...] = (Package("docker-registry", "docker-registry"),)
ADDRESS, PORT = "127.0.0.1", 5000
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
        return Status(
            NAME, "running", ours, f"{ADDRESS}:{PORT}" + (f", storage {_storage()}" if ours else "")
        )
    fix = "vmlab host up registry"
    if record.entry(NAME):
        return Status(
            NAME, "stopped", True, f"vmlab started it and it has ended; its log: {_daemon.log}", fix
        )
    if ports.taken(PORT):
        return Status(NAME, "stopped", False, f"port {PORT} is taken by {_holder()}", "stop that program")
    if commands.find("docker-registry") is None:
        return Status(NAME, "missing", False, "docker-registry is not installed", fix)
    return Status(NAME, "stopped", False, f"nobody listens at {ADDRESS}:{PORT}", fix)


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
    del force  # nobody is refused: a registry has no tenants
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
            f"registry: port {PORT} is taken by {_holder()}, which is no registry\n  next: stop that program"
        )


def _holder() -> str:
    found = ports.owner(PORT)
    return f"{found[1]} (pid {found[0]})" if found else "a process of another user"


def _answers() -> bool:
    connection = http.client.HTTPConnection(ADDRESS, PORT, timeout=2)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _storage() -> Path:
    return places.cache() / "registry"


def _configuration() -> Path:
    return places.run() / "registry.yml"


def _write_configuration() -> Path:
    """JSON is YAML. Deleting is on, so that images of removed stacks need not stay for ever."""
    settings = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(places.make(_storage()))},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"{ADDRESS}:{PORT}"},
    }
    path = places.make(places.run()) / _configuration().name
    path.write_text(json.dumps(settings, indent=2) + "\n")
    return path
