"""The life of a guest with its network, pool and disks: made, looked at, lost, repaired, taken away."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clients.libvirt import connection, domains, volumes
from clients.libvirt.description import VolumeSpec
from tests.live import census
from tests.live.libvirt_provider import guest
from tests.live.libvirt_provider.world import MIB, World

pytestmark = pytest.mark.live
# What makes it, by the folder of libvirt's that it is kept in.
KEPT: dict[str, Callable[[Any], object]] = {
    "save": lambda guest: guest.managedSave(0),
    "snapshot": lambda guest: guest.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>", 0),
    "checkpoint": lambda guest: _checkpoint(guest),
}
REDEFINE = 1  # VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE; libvirt-python may not be there when this is read


def _checkpoint(guest: Any) -> None:
    """Of which libvirt has the description alone: the lab's overlays are of a qcow2 too old for the bitmap."""
    told = "<creationTime>1</creationTime><disks><disk name='vda' checkpoint='bitmap' bitmap='c'/></disks>"
    document = f"<domaincheckpoint><name>c</name>{told}{guest.XMLDesc(0)}</domaincheckpoint>"
    guest.checkpointCreateXML(document, REDEFINE)


def everything(world: World) -> None:
    """A guest with two disks and a link."""
    disks = [{"path": {"from": name, "output": "path"}} for name in ("disk", "config")]
    world.ask(
        pool=world.pool(),
        disk=world.volume(capacity_bytes=8 * MIB),
        config=world.volume(
            "config", files={"address": "198.18.1.194/26\n", "secret": {"secret": "hunter2"}}
        ),
        net=world.network(),
        vm=world.domain(
            *guest.POWER,
            *guest.DISKS,
            disks=disks,
            interfaces=[{"network": world.name("net"), "mac": "52:54:00:12:01:C2"}],
            stop_seconds=20,
        ),
    )


def running(world: World) -> bool:
    """Whether the guest runs."""
    found = domains.find(world.name("vm"))
    return found is not None and found.running


def test_up_twice_and_destroy(world: World) -> None:
    """A second up, also after a refresh, changes nothing; destroy ends the guest by its power button and leaves nothing."""
    everything(world)
    assert world.up()["create"] >= 5
    world.guest_said("vmlab-guest init")
    world.engine("preview", "--expect-no-changes").good()
    assert set(world.engine("refresh", "--json").good().changes) == {"same"}
    world.engine("preview", "--expect-no-changes").good()

    found = domains.find(world.name("vm"))
    assert found is not None
    assert found.pid > 1
    world.engine("destroy", "--skip-preview").good()

    assert not world.console.exists()


@pytest.mark.parametrize("loss", ["destroyed", "undefined", "killed"])
def test_lost_guest(world: World, loss: str) -> None:
    """However a guest was lost, refresh says so and up brings it back."""
    everything(world)
    world.change("vm", stop_seconds=0)
    world.up()
    handle = connection.open().lookupByName(world.name("vm"))
    if loss == "killed":
        found = domains.find(world.name("vm"))
        assert found is not None
        os.kill(found.pid, signal.SIGKILL)
        while running(world):
            pass
    else:
        handle.destroy()
    if loss == "undefined":
        handle.undefine()

    changes = world.engine("refresh", "--json").good().changes
    assert changes.get("delete" if loss == "undefined" else "update") == 1, changes
    after = world.up()

    assert after.get("create" if loss == "undefined" else "update") == 1, after
    assert running(world)
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


@pytest.mark.parametrize("kept", KEPT)
def test_what_libvirt_keeps_of_a_guest_goes_with_it(world: World, kept: str) -> None:
    """A managed save, a snapshot or a checkpoint that somebody made does not keep a guest from being destroyed, and goes."""
    disk = {"path": {"from": "disk", "output": "path"}, "format": "qcow2"}
    world.ask(
        pool=world.pool(),
        disk=world.volume(capacity_bytes=8 * MIB, format="qcow2"),
        vm=world.domain(disks=[disk]),
    )
    world.up()
    world.guest_said("vmlab-guest init")
    KEPT[kept](connection.open().lookupByName(world.name("vm")))
    assert any(f"/{kept}/" in file for file in census.take(world.rows_of_libvirt)["files"])

    world.engine("destroy", "--skip-preview").good()

    assert domains.find(world.name("vm")) is None


def test_lost_network_pool_and_disk(world: World) -> None:
    """A stopped network or pool is started again; a disk and a network that were removed are made anew."""
    world.ask(pool=world.pool(), disk=world.volume(capacity_bytes=MIB), net=world.network())
    world.up()
    api = connection.open()
    api.networkLookupByName(world.name("net")).destroy()
    api.storagePoolLookupByName(world.name("pool")).destroy()
    world.engine("refresh").good()
    world.up()
    assert api.networkLookupByName(world.name("net")).isActive()
    assert api.storagePoolLookupByName(world.name("pool")).isActive()

    volumes.remove(world.name("disk"), world.name("pool"))
    network = api.networkLookupByName(world.name("net"))
    network.destroy()
    network.undefine()
    assert world.engine("refresh", "--json").good().changes.get("delete") == 2
    assert world.up().get("create") == 2
    world.engine("destroy", "--skip-preview").good()


def test_everything_lost_is_destroyed(world: World) -> None:
    """Destroy of what is gone already is done without a complaint."""
    everything(world)
    world.change("vm", stop_seconds=0)
    world.up()
    guest_ = connection.open().lookupByName(world.name("vm"))
    guest_.destroy()
    guest_.undefine()
    for part in ("disk", "config"):
        volumes.remove(world.name(part), world.name("pool"))
    network = connection.open().networkLookupByName(world.name("net"))
    network.destroy()
    network.undefine()

    world.engine("destroy", "--skip-preview").good()


def test_changed_files_boot_another_guest(world: World) -> None:
    """Other files on the config disk replace it, and the guest that has it; a disk written to by hand is made again."""
    everything(world)
    world.change("vm", stop_seconds=0)
    world.up()
    before = world.xml().findtext("uuid")

    world.change("config", files={"address": "198.18.1.195/26\n"})
    assert world.up().get("replace", 0) >= 2
    assert world.xml().findtext("uuid") != before

    world.engine("preview", "--expect-no-changes").good()
    disk = volumes.find(world.name("config"), world.name("pool"))
    assert disk is not None
    with open(disk.path, "r+b") as file:  # noqa: PTH123 - in the middle of it
        file.write(b"other")
    world.engine("refresh").good()
    assert world.up().get("replace", 0) >= 1
    world.engine("destroy", "--skip-preview").good()


def test_data_outlives_a_pool_that_libvirt_forgot(world: World) -> None:
    """A pool that somebody undefined is defined again, and the disk that was still in it keeps its data."""
    world.ask(pool=world.pool(), disk=world.volume(capacity_bytes=MIB))
    world.up()
    disk = volumes.find(world.name("disk"), world.name("pool"))
    assert disk is not None
    Path(disk.path).write_bytes(b"visits: 7".ljust(MIB, b"\0"))
    pool = connection.open().storagePoolLookupByName(world.name("pool"))
    pool.destroy()
    pool.undefine()

    assert world.engine("refresh", "--json").good().changes.get("delete") == 2
    assert world.up().get("create") == 2

    assert Path(disk.path).read_bytes().startswith(b"visits: 7")
    world.engine("destroy", "--skip-preview").good()


def test_disk_grows_under_its_guest(world: World) -> None:
    """A disk grows while its guest runs, and the guest goes on."""
    everything(world)
    world.change("vm", stop_seconds=0)
    world.up()
    before = domains.find(world.name("vm"))
    world.change("disk", capacity_bytes=16 * MIB)
    assert world.up().get("update") == 1
    assert connection.open().lookupByName(world.name("vm")).blockInfo("vda")[0] == 16 * MIB
    assert domains.find(world.name("vm")) == before
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def test_pool_is_looked_at_while_disks_are_made(world: World) -> None:
    """libvirt refuses to look at a pool while it makes a volume in it; that is waited out, and everybody finds all."""
    world.ask(pool=world.pool())
    world.up()
    pool = world.name("pool")

    def make(number: int) -> None:
        for _ in range(8):
            volumes.create(VolumeSpec(f"{number}", pool, 1024 * MIB, "qcow2"))
            volumes.remove(f"{number}", pool)

    with ThreadPoolExecutor(4) as threads:
        made = [threads.submit(make, number) for number in range(3)]
        while not all(future.done() for future in made):
            assert volumes.labelled() is not None
        assert [future.result() for future in made] == [None] * 3
    world.engine("destroy", "--skip-preview").good()
