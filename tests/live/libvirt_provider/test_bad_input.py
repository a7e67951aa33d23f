"""Inputs that cannot work are named before anything is made, and what is somebody else's is left alone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.libvirt import connection, domains, networks
from clients.libvirt.connection import unless_gone
from machine import places
from providers import libvirt
from tests.live import census
from tests.live.libvirt_provider.conftest import SETTLE_SECONDS
from tests.live.libvirt_provider.world import MIB, World

pytestmark = pytest.mark.live


def refused(world: World) -> str:
    """What an up says that made nothing."""
    rows = world.rows_of_libvirt
    before = census.take(rows)
    failed = world.engine("up", "--skip-preview")
    assert failed.code == 2, failed.out + failed.err
    assert census.settled(rows, before, SETTLE_SECONDS) == []
    assert world.engine("preview").code == 2
    return failed.out + failed.err


def complaints(kind: str, inputs: dict[str, Any]) -> str:
    """What the provider's Check says of these inputs."""
    found = getattr(libvirt, f"{kind}Provider")().check({}, inputs)
    return "\n".join(f"{failure.property}: {failure.reason}" for failure in found.failures)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"memory_bytes": 32 * MIB}, "memory_bytes: no guest boots with 33554432 bytes; give it 67108864"),
        ({"memory_bytes": 96 * MIB + 1}, "memory_bytes: it must be whole MiB"),
        ({"memory_bytes": 96 * MIB + 1024}, "memory_bytes: it must be whole MiB"),
        ({"max_memory_bytes": 97 * MIB - 1024}, "max_memory_bytes: it must be whole MiB"),
        ({"memory_bytes": "96"}, "memory_bytes: it must be a whole number"),
        ({"memory_bytes": 96 * MIB, "max_memory_bytes": 80 * MIB}, "not be above max_memory_bytes"),
        ({"vcpus": 0}, "vcpus: it must be 1 or more"),
        ({"vcpus": 1.5}, "vcpus: it must be a whole number"),
        ({"vcpus": 2, "max_vcpus": 1}, "not above max_vcpus"),
        ({"cpus": 1.5}, "cpus: it must be above 0 and not above vcpus"),
        ({"cpus": -1}, "cpus: it must be a number, not below 0"),
        ({"colour": "red"}, "there is no input 'colour' here"),
        ({"disks": [{"path": "/a", "colour": "red"}]}, "there is no input 'colour' here"),
        ({"disks": [{}]}, "disks: it must be path: it must be given"),
        ({"disks": "vda"}, "disks: it must be a list of objects"),
        ({"disks": [{"path": "relative"}]}, "a disk must be an absolute path"),
        ({"kernel": "/no/such/kernel"}, "kernel: there is no file /no/such/kernel"),
        ({"accelerator": "xen"}, "accelerator: it must be one of kvm, tcg"),
        ({"machine": "toaster"}, "machine: it must be one of pc, q35"),
        ({"running": "yes"}, "running: it must be true or false"),
        ({"ready": {"seconds": 3}}, "ready: it must be url: it must be given"),
        ({"name": "a/b"}, "may have no slash"),
        ({"name": "a\nb"}, "may have no slash, line break or control character"),
        ({"name": "n" * 300}, "longer than 200 bytes"),
        ({"cmdline": "quiet\ninit=/bin/sh"}, "may have no line break"),
        ({"stack": None}, "stack: it must be given"),
        ({"stack": ""}, "the name of its stack, which is empty"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_domain(world: World, inputs: dict[str, Any], said: str) -> None:
    """Each wrong input of a domain is named."""
    assert said in complaints("Domain", world.domain(**inputs)[1])


@pytest.mark.parametrize(
    ("kind", "inputs", "said"),
    [
        ("network", {"address": "198.18.1.192/26"}, "must be a host's"),
        ("network", {"address": "here"}, "must be like 198.18.1.1/26"),
        ("network", {"bridge": "b" * 16}, "1 to 15 letters"),
        ("network", {"stack": ""}, "the name of its stack, which is empty"),
        ("network", {"bridge": "lo"}, "a link named lo already exists"),
        ("network", {"dhcp": ["198.18.1.200"]}, "dhcp: it must be the first and the last address"),
        ("pool", {"path": "/var/lib/libvirt/images"}, "must lie in"),
        ("pool", {"mode": "rwx"}, "must be like 0711"),
        ("volume", {}, "needs a capacity"),
        ("volume", {"capacity_bytes": 100, "files": {"a": "b"}}, "its content needs"),
        ("volume", {"files": {"../a": "b"}}, "plain relative name"),
        ("volume", {"files": {"a": "b"}, "format": "qcow2"}, "has files, or is a copy"),
        ("volume", {"copy_of": "/no/such/file"}, "needs the file /no/such/file"),
        ("volume", {"capacity_bytes": MIB, "format": "vmdk"}, "format: it must be one of raw, qcow2"),
        (
            "volume",
            {"capacity_bytes": MIB, "pool": "default", "files": [1]},
            "files: it must be strings by name",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_others(world: World, kind: str, inputs: dict[str, Any], said: str) -> None:
    """So is each wrong input of a network, a pool and a volume."""
    assert said in complaints(kind.title(), getattr(world, kind)(**inputs)[1])


def test_several_at_once(world: World) -> None:
    """All that is wrong is said at once, in the preview too, and nothing is made."""
    world.ask(vm=world.domain(vcpus=-1, machine="toaster", colour="red"))
    said = refused(world)
    assert all(word in said for word in ("vcpus", "machine", "colour"))


def test_pool_that_qemu_cannot_reach(world: World) -> None:
    """A folder on the way that QEMU's user cannot pass through is named with the command that opens it."""
    closed = Path(tempfile.mkdtemp(prefix=f"vmlab-{world.stack}-"))  # 0700
    try:
        world.more["VMLAB_HOME"] = str(closed)
        world.ask(pool=world.pool(path=str(closed / "pools" / "a")))
        said = refused(world)
    finally:
        shutil.rmtree(closed)
    assert f"cannot pass through {closed}" in said
    assert f"chmod o+x {closed}" in said


def test_no_libvirtd(world: World) -> None:
    """Where nobody answers the command that starts libvirtd is said."""
    world.ask(vm=world.domain())

    with world.cut_off():
        said = refused(world)

    assert "libvirtd does not answer" in said
    assert "vmlab host up libvirt" in said


@pytest.fixture
def theirs(world: World) -> Iterator[tuple[str, str]]:
    """A domain and a network of somebody else's, under the names that the program will ask for."""
    api = connection.open()
    for name, define in (("vm", api.defineXML), ("net", api.networkDefineXML)):
        label = f"<name>{world.name(name)}</name>"
        guest = f"<domain type='qemu'>{label}<memory>65536</memory><os><type>hvm</type></os></domain>"
        define(guest if name == "vm" else f"<network>{label}</network>")
    handles = api.lookupByName(world.name("vm")), api.networkLookupByName(world.name("net"))
    yield handles[0].XMLDesc(0), handles[1].XMLDesc(0)
    for handle in handles:
        unless_gone(handle.undefine)


def test_names_that_somebody_else_has(world: World, theirs: tuple[str, str]) -> None:
    """Somebody else's domain and network of the same name are refused by name and stay as they are."""
    world.ask(net=world.network())
    assert f"network {world.name('net')} already exists and belongs to another user" in refused(world)
    world.ask(vm=world.domain())
    assert f"domain {world.name('vm')} already exists and belongs to another user" in refused(world)
    for stack in (world.label, ""):  # a foreign object has no label, which reads as "" too
        domains.remove(world.name("vm"), stack)
        networks.remove(world.name("net"), stack)

    api = connection.open()
    assert api.lookupByName(world.name("vm")).XMLDesc(0) == theirs[0]
    assert api.networkLookupByName(world.name("net")).XMLDesc(0) == theirs[1]


def test_name_that_somebody_took_later(world: World) -> None:
    """When ours went and somebody made another under its name, refresh says that ours is gone and destroy leaves theirs."""
    world.ask(vm=world.domain(running=False))
    world.up()
    domains.remove(world.name("vm"), world.label)
    api = connection.open()
    label = f"<name>{world.name('vm')}</name>"
    handle = api.defineXML(
        f"<domain type='qemu'>{label}<memory>65536</memory><os><type>hvm</type></os></domain>"
    )
    try:
        world.engine("destroy", "--skip-preview").good()
        assert api.lookupByName(world.name("vm")).UUIDString() == handle.UUIDString()
    finally:
        handle.undefine()


def test_hostile_names_work(world: World) -> None:
    """A name with marks of XML, of shells and of QEMU's options is made, found again and taken away like any other."""
    name = f"vmlab-{world.stack}-<a>&\"'$(id),b=c ünï"
    pool, path = world.pool(), str(places.pools() / world.name("pool"))
    world.ask(
        pool=pool,
        disk=("Volume", {"name": name, "pool": world.name("pool"), "capacity_bytes": MIB}),
        net=("Network", {**world.network()[1], "name": name}),
        vm=world.domain(name=name, disks=[{"path": f"{path}/{name}"}], console=f"{world.console}<&>,x=y"),
    )
    world.up()
    found = domains.find(name)
    assert found is not None
    assert found.running
    assert found.spec.disks[0].path == f"{path}/{name}"
    world.engine("refresh", "--json").good()
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()
