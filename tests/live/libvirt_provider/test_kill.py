"""`kill -9` of the engine while guests, disks and networks are made; then the next command mends it."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from clients.libvirt import connection, domains, volumes
from clients.libvirt.description import VolumeSpec
from clients.libvirt.description import volume as description
from tests.conftest import repetitions
from tests.live.libvirt_provider.test_life import everything, running
from tests.live.libvirt_provider.world import MIB, World

pytestmark = pytest.mark.live
MOMENTS = repetitions(full=6, sample=4)
SEED = int(os.environ.get("VMLAB_KILL_SEED") or time.time_ns() % 1_000_000)
ORPHAN_SECONDS = 3.0
SPREAD_SECONDS = 1.8  # an up of these things, after the half second in which the engine starts


class Answering(BaseHTTPRequestHandler):
    """A service that is there."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])


@pytest.fixture
def answering(port: int) -> Iterator[Any]:
    """Begins to listen on the port when it is called."""
    servers: list[ThreadingHTTPServer] = []

    def begin() -> None:
        servers.append(ThreadingHTTPServer(("127.0.0.1", port), Answering))
        threading.Thread(target=servers[0].serve_forever, daemon=True).start()

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def kill_in_mid_create(world: World, port: int) -> None:
    """An up whose guest runs and does not answer, killed."""
    world.ask(vm=world.domain(ready={"url": f"http://127.0.0.1:{port}/", "seconds": 50}))
    run = world.start("up", "--skip-preview")
    run.until(lambda: running(world))
    run.kill()
    assert world.gone(ORPHAN_SECONDS), world.processes()
    assert world.pending() == ["creating"]


def test_mid_create_then_up(world: World, port: int, answering: Any) -> None:
    """The guest that an interrupted create left is adopted, not made again, and is waited for until it answers."""
    kill_in_mid_create(world, port)
    before = domains.find(world.name("vm"))
    world.change("vm", ready={"url": f"http://127.0.0.1:{port}/", "seconds": 2})
    waited = world.engine("up", "--skip-preview")
    assert waited.code == 1
    assert "did not answer within 2 s" in waited.out + waited.err
    answering()

    world.up()

    after = domains.find(world.name("vm"))
    assert before is not None
    assert after is not None
    assert (after.pid, after.spec.uuid) == (before.pid, before.spec.uuid)
    assert world.pending() == []
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def test_mid_create_then_destroy(world: World, port: int) -> None:
    """Destroy takes away the guest that an interrupted create left."""
    kill_in_mid_create(world, port)
    world.engine("destroy", "--skip-preview").good()
    assert domains.find(world.name("vm")) is None


@pytest.mark.parametrize("lost", [False, True], ids=["there", "lost"])
def test_mid_create_then_refresh(world: World, port: int, answering: Any, lost: bool) -> None:
    """Refresh says of an interrupted create what is true: the guest runs and never answered, or there is none."""
    kill_in_mid_create(world, port)
    there = domains.find(world.name("vm"))
    assert there is not None
    if lost:
        domains.remove(world.name("vm"), world.label)

    world.engine("refresh").good()

    assert world.pending() == []
    said = world.outputs("vm")
    if lost:
        assert said is None
    else:
        assert said is not None
        assert (said["uuid"], said["running"], said["answered"]) == (there.spec.uuid, True, False)
    answering()
    world.up()
    after = domains.find(world.name("vm"))
    assert after is not None
    assert (after.spec.uuid == there.spec.uuid) is not lost
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def test_refresh_without_libvirtd(world: World) -> None:
    """Where nobody answers, refresh fails and forgets nothing: the state is the one before, and no change is counted."""
    everything(world)
    world.change("vm", stop_seconds=0)
    world.up()
    before = world.state()

    with world.cut_off():
        failed = world.engine("refresh", "--json")

    assert failed.code == 1, failed.out + failed.err
    assert "libvirtd does not answer" in failed.out + failed.err
    assert failed.changes.get("delete", 0) == 0
    after = world.state()
    assert after["resources"] == before["resources"]
    assert after.get("pending_operations", []) == before.get("pending_operations", [])
    assert running(world)
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def test_defined_and_not_started(world: World, port: int, answering: Any) -> None:
    """A guest that was defined and not yet started when the engine was killed is started by the next up."""
    kill_in_mid_create(world, port)
    domains.stop(world.name("vm"), 0)
    answering()
    world.up()
    assert running(world)
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def test_never_answers(world: World, port: int) -> None:
    """A guest that does not answer in time is taken away, with its last milestone and the end of its console said."""
    world.ask(vm=world.domain(ready={"url": f"http://127.0.0.1:{port}/", "seconds": 25}))
    failed = world.engine("up", "--skip-preview")
    assert failed.code == 1
    assert "did not answer within 25 s; the last milestone it reached was 'init'" in failed.out + failed.err
    assert "test-guest: vdc begins with" in failed.out + failed.err
    assert domains.find(world.name("vm")) is None
    world.engine("destroy", "--skip-preview").good()


def test_half_written_volume(world: World) -> None:
    """A volume whose content was cut off is seen as such, in refresh and after a kill, and made again by up."""
    files = {"address": "x" * 3 * MIB}
    world.ask(pool=world.pool(), config=world.volume("config", files=files))
    world.up()
    spec = VolumeSpec(world.name("config"), world.name("pool"), 4 * MIB)
    volumes.remove(spec.name, spec.pool)
    pool = connection.open().storagePoolLookupByName(spec.pool)
    pool.createXML(description.to_xml(spec), 0)
    half = volumes.find(spec.name, spec.pool)
    assert half is not None
    assert half.blank

    world.engine("refresh").good()
    assert world.up().get("replace") == 1

    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def test_secrets_are_nowhere_in_clear(world: World) -> None:
    """What the files of a volume hold is in no state, no log, no command line and no description: only on its disk."""
    canary = f"canary-{random.Random(SEED).getrandbits(128):x}"
    world.ask(
        pool=world.pool(), config=world.volume("config", files={"secret": {"secret": canary}, "a": "b"})
    )
    said = [world.engine("up", "--json").good().out, world.engine("refresh", "--json").good().out]
    volumes.remove(world.name("config"), world.name("pool"))
    said += [world.engine("refresh", "--json").good().out, world.engine("up", "--json").good().out]
    world.change("config", files={"secret": {"secret": canary}, "a": "c"})
    said += [world.engine("up", "--json").good().out, world.engine("outputs").good().out]
    disk = volumes.find(world.name("config"), world.name("pool"))
    assert disk is not None
    with open(disk.path, "rb") as file:  # noqa: PTH123 - as QEMU does
        assert canary.encode() in file.read()
    files = [path for path in world.backend.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert [str(path) for path in files if canary.encode() in path.read_bytes()] == []
    assert [text for text in said if canary in text] == []
    world.engine("destroy", "--skip-preview").good()


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_at_a_random_moment(world: World, moment: int) -> None:
    """Killed at any moment of an up, nothing runs on, and one up or one destroy makes all right with nothing left over."""
    everything(world)
    world.change("vm", stop_seconds=0)
    seconds = random.Random(SEED + moment).uniform(moment, moment + 1) * SPREAD_SECONDS / MOMENTS + 0.5
    run = world.start("up", "--skip-preview")
    time.sleep(seconds)
    run.kill()
    assert world.gone(ORPHAN_SECONDS), (SEED, seconds, world.processes())
    if moment % 2 or not world.state_file.exists():
        world.up()
        assert running(world)
        assert world.pending() == []
        world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()
