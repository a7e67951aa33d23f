"""Copies of a guest as they are planned: names, addresses, disks and what each is told. No libvirt."""

from __future__ import annotations

import ipaddress
import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from clients import http_probe
from clients.libvirt import domains, sizes
from clients.libvirt.description import DiskSpec, DomainSpec, InterfaceSpec
from machine.errors import NeverAnswered, VmlabError
from substrates.contract import Limits, Request, Slot
from substrates.vm import boot, disks
from substrates.vm import substrate as vm
from substrates.vm.boot import Definition, Handle

OWN = DomainSpec(
    name="vmlab-vm-0123456789",
    stack="vmlab/vm",
    memory_bytes=512 * 1024**2,
    uuid="6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    autostart=True,
    disks=(
        DiskSpec("/pool/root.qcow2", "qcow2", backing="/base.raw", backing_format="raw"),
        DiskSpec("/pool/data.raw"),
        DiskSpec("/pool/config.raw", read_only=True),
    ),
    interfaces=(InterfaceSpec("vmlab-vm-net", "52:54:00:12:01:02"),),
    console="/run/console",
)
MIB = 1024**2
FILES = {"address": "198.18.1.2/26\n", "hostname": "vm\n", "environment": "PORT=8080\n", "secret": "hunter2"}


@pytest.fixture
def definition() -> Definition:
    """A stack's own guest."""
    return Definition(OWN, ipaddress.IPv4Interface("198.18.1.1/26"), "vl-0123456789", 8080, dict(FILES))


def planned(definition: Definition, number: int) -> tuple[Handle, DomainSpec, dict[str, str]]:
    """The copy of this number."""
    slot, request = Slot(number, 18200 + number), Request("/", "n0nce", echoed=True, seconds=1)
    return boot.plan(definition, slot, request)


def test_mac_follows_from_the_address() -> None:
    """QEMU's prefix and the last three bytes: known beforehand, another for each address of the lab's networks."""
    assert boot.mac_of("198.18.1.2") == "52:54:00:12:01:02"
    assert len({boot.mac_of(f"198.18.1.{last}") for last in range(256)}) == 256


def test_addresses_of_copies_meet_nobody(definition: Definition) -> None:
    """Those of 50 slots are different, within the network, and neither the bridge's nor the stack's own guest's."""
    places = [ipaddress.IPv4Address(planned(definition, number)[0].address) for number in range(50)]

    assert len(set(places)) == 50
    assert all(place in definition.network.network for place in places)
    taken = {"198.18.1.1", "198.18.1.2", str(definition.network.network.broadcast_address)}
    assert taken.isdisjoint(map(str, places))


def test_a_copy_shares_only_what_is_read_only(definition: Definition, home: Path) -> None:
    """Disks, console, name, label, uuid, MAC are its own; kernel, memory and the disk below are the stack's."""
    copy, spec, _ = planned(definition, 7)

    assert copy.folder == disks.copies() / "vmlab-boot-7"
    assert {Path(disk.path).parent for disk in spec.disks} == {copy.folder} == {Path(spec.console).parent}
    assert spec.disks[0].backing == "/base.raw"
    assert (spec.name, spec.stack, spec.uuid, spec.autostart) == (
        "vmlab-boot-7",
        "boot/vmlab-boot-7",
        "",
        False,
    )
    assert spec.interfaces == (InterfaceSpec("vmlab-vm-net", boot.mac_of(copy.address)),)
    assert (spec.memory_bytes, spec.kernel, spec.cmdline) == (OWN.memory_bytes, OWN.kernel, OWN.cmdline)
    assert copy.url == f"http://{copy.address}:8080"


def test_a_copy_is_told_its_own_address_and_nonce(definition: Definition) -> None:
    """The rest, secret and all, is what the stack's own guest is told; the definition stays as it is."""
    copy, _, files = planned(definition, 7)

    assert files["address"] == f"{copy.address}/26\n"
    assert files["hostname"] == "vmlab-boot-7\n"
    assert files["environment"] == "PORT=8080\nNONCE=n0nce\n"
    assert files["secret"] == "hunter2"
    assert definition.files == FILES


@pytest.fixture
def removed(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No libvirt and no link: what was removed of domains, in order; disks and starts do nothing."""
    found: list[str] = []
    monkeypatch.setattr(domains, "remove", lambda name, _label: found.append(name))
    monkeypatch.setattr(domains, "create", lambda _spec, **_: None)
    monkeypatch.setattr(domains, "start", lambda _name: None)
    monkeypatch.setattr(domains, "find", lambda _name: None)
    monkeypatch.setattr(disks, "make", lambda *_: None)
    monkeypatch.setattr(boot, "know_neighbour", lambda *_: None)
    monkeypatch.setattr(http_probe, "ask", lambda *_, **__: None)
    return found


@pytest.mark.parametrize("error", [VmlabError("no room"), KeyboardInterrupt(), OSError("full")])
@pytest.mark.parametrize("step", ["disks", "domain", "wait"])
def test_a_boot_that_is_broken_off_leaves_nothing(
    definition: Definition,
    removed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: BaseException,
) -> None:
    """Whatever ends it, and wherever, the copy's domain and files are taken away, and the error is still the same."""

    def broken(*_: object, **__: object) -> None:
        assert disks.folders("vmlab-boot-7")
        raise error

    places = {"disks": (disks, "make"), "domain": (domains, "create"), "wait": (http_probe, "ask")}
    monkeypatch.setattr(*places[step], broken)

    with pytest.raises(type(error)) as caught:
        vm.boot(definition, Slot(7, 18207), Request("/", "n0nce", echoed=True, seconds=5))

    assert caught.value is error
    assert removed == ["vmlab-boot-7", "vmlab-boot-7"]  # before, and because of the error
    assert disks.folders("vmlab-boot-7") == []


def test_the_first_error_is_the_one_that_is_told(
    definition: Definition, removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where libvirtd is gone nothing can be taken away either; that says less than why the boot failed."""

    def gone(*_: object, **__: object) -> None:
        monkeypatch.setattr(domains, "remove", refuse)
        raise VmlabError("cannot define the domain")

    def refuse(*_: object) -> None:
        raise VmlabError("libvirtd does not answer")

    monkeypatch.setattr(domains, "create", gone)

    with pytest.raises(VmlabError, match="cannot define the domain"):
        vm.boot(definition, Slot(7, 18207), Request("/", "n0nce", echoed=True, seconds=5))


def test_a_guest_that_has_ended_is_not_waited_for(definition: Definition, removed: list[str]) -> None:
    """QEMU's end is noticed long before the time is up, and nothing is left of the copy."""
    start = time.monotonic()

    with pytest.raises(NeverAnswered, match="vmlab-boot-7 did not answer"):
        vm.boot(definition, Slot(7, 18207), Request("/", "n0nce", echoed=True, seconds=60))

    assert time.monotonic() - start < 10
    assert disks.folders("vmlab-boot-7") == []


def test_qemus_user_reaches_a_copy(
    home: Path, definition: Definition, removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With any umask it can pass through every folder that was made; one that was there keeps its mode."""
    modes = {}

    def look(*_: object) -> None:
        for folder in (disks.folders("vmlab-boot-7")[0], disks.copies(), disks.copies().parent, home):
            modes[folder.name] = stat.S_IMODE(folder.stat().st_mode)

    monkeypatch.setattr(disks, "make", look)
    home.chmod(0o751)
    before = os.umask(0o077)
    try:
        with pytest.raises(NeverAnswered):
            vm.boot(definition, Slot(7, 18207), Request("/", "n0nce", echoed=True, seconds=0.1))
    finally:
        os.umask(before)

    assert modes == {"vmlab-boot-7": 0o711, "copies": 0o711, "pools": 0o711, home.name: 0o751}


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DomainSpec:
    """A stack's guest as libvirt would report it, with its console and its balloon."""
    console = tmp_path / "console"
    console.write_bytes(
        b"[ 0.0] Linux\r\nvmlab-guest init cpus=1 memory_bytes=1\r\n"
        b"[ 0.0] Linux\r\nvmlab-guest init cpus=2 memory_bytes=500000000\r\n"
    )
    spec = replace(OWN, vcpus=2, cpus=1.5, memory_bytes=512 * MIB, console=str(console), balloon=True).whole()
    live(monkeypatch, spec, 1.5, 490 * MIB)
    return spec


def live(monkeypatch: pytest.MonkeyPatch, spec: DomainSpec, cpus: float, available_bytes: int | None) -> None:
    """What libvirt reports of the running domain from now on."""
    monkeypatch.setattr(domains, "find", lambda _name: domains.Found(spec, running=True))
    monkeypatch.setattr(sizes, "limited_cpus", lambda _name, vcpus: min(cpus, vcpus))
    report = {} if available_bytes is None else {"available": available_bytes}
    monkeypatch.setattr(sizes, "memory_seen_bytes", lambda _name: report)


def test_limits_follow_the_live_domain(running: DomainSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processors, quota and memory of the domain as it runs now, and what the guest sees; not what was declared."""
    instance = {"name": "vmlab-vm"}
    assert vm.limits(instance) == Limits(1.5, 512 * MIB, True, 2, 490 * MIB)

    live(monkeypatch, replace(running, vcpus=1, memory_bytes=256 * MIB), 1.0, 240 * MIB)
    assert vm.limits(instance) == Limits(
        1.0, 256 * MIB, False, 2, 240 * MIB
    )  # it has not released a processor


def test_guest_without_balloon_is_read_from_its_console(
    running: DomainSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last boot's line counts; a guest that prints none, and has no balloon, has no figures."""
    live(monkeypatch, replace(running, balloon=False), 1.5, None)
    assert vm.limits({"name": "vmlab-vm"}) == Limits(1.5, 512 * MIB, True, 2, 500000000)

    Path(running.console).write_bytes(b"vmlab-guest init\r\n")
    assert vm.limits({"name": "vmlab-vm"}) == Limits(1.5, 512 * MIB, True)


def test_guest_that_sees_more_is_not_limited(running: DomainSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """A balloon is cooperative: where the guest's own figure is above the domain's memory, nothing is enforced."""
    live(monkeypatch, running, 1.5, 513 * MIB)
    assert vm.limits({"name": "vmlab-vm"}).enforced is False
