"""Copies of a guest as they are planned: names, addresses, disks and what each is told. No libvirt."""

from __future__ import annotations

import ipaddress
import os
import stat
import time
from pathlib import Path

import pytest

from clients import http_probe
from clients.libvirt import domains
from clients.libvirt.description import DiskSpec, DomainSpec, InterfaceSpec
from machine.errors import NeverAnswered, VmlabError
from substrates.contract import Request, Slot
from substrates.vm import disks, guest
from substrates.vm import substrate as vm

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
FILES = {"address": "198.18.1.2/26\n", "hostname": "vm\n", "environment": "PORT=8080\n", "secret": "hunter2"}


@pytest.fixture
def definition() -> vm.Definition:
    """A stack's own guest."""
    return vm.Definition(OWN, ipaddress.IPv4Interface("198.18.1.1/26"), "vl-0123456789", 8080, dict(FILES))


def planned(definition: vm.Definition, number: int) -> tuple[vm.Handle, DomainSpec, dict[str, str]]:
    """The copy of this number."""
    return vm._copy_of(
        definition, Slot(number, 18200 + number), Request("/", "n0nce", echoed=True, seconds=1)
    )


def test_mac_follows_from_the_address() -> None:
    """QEMU's prefix and the last three bytes: known beforehand, another for each address of the lab's networks."""
    assert vm.mac_of("198.18.1.2") == "52:54:00:12:01:02"
    assert len({vm.mac_of(f"198.18.1.{last}") for last in range(256)}) == 256


def test_addresses_of_copies_meet_nobody(definition: vm.Definition) -> None:
    """Those of 50 slots are different, within the network, and neither the bridge's nor the stack's own guest's."""
    places = [ipaddress.IPv4Address(planned(definition, number)[0].address) for number in range(50)]

    assert len(set(places)) == 50
    assert all(place in definition.network.network for place in places)
    taken = {"198.18.1.1", "198.18.1.2", str(definition.network.network.broadcast_address)}
    assert taken.isdisjoint(map(str, places))


def test_a_copy_shares_only_what_is_read_only(definition: vm.Definition, home: Path) -> None:
    """Disks, console, name, label, uuid, MAC are its own; kernel, memory and the disk below are the stack's."""
    copy, spec, _ = planned(definition, 7)

    assert copy.folder == guest.copies() / "vmlab-boot-7"
    assert {Path(disk.path).parent for disk in spec.disks} == {copy.folder} == {Path(spec.console).parent}
    assert spec.disks[0].backing == "/base.raw"
    assert (spec.name, spec.stack, spec.uuid, spec.autostart) == (
        "vmlab-boot-7",
        "boot/vmlab-boot-7",
        "",
        False,
    )
    assert spec.interfaces == (InterfaceSpec("vmlab-vm-net", vm.mac_of(copy.address)),)
    assert (spec.memory_bytes, spec.kernel, spec.cmdline) == (OWN.memory_bytes, OWN.kernel, OWN.cmdline)
    assert copy.url == f"http://{copy.address}:8080"


def test_a_copy_is_told_its_own_address_and_nonce(definition: vm.Definition) -> None:
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
    monkeypatch.setattr(vm, "_know_neighbour", lambda *_: None)
    monkeypatch.setattr(http_probe, "ask", lambda *_, **__: None)
    return found


@pytest.mark.parametrize("error", [VmlabError("no room"), KeyboardInterrupt(), OSError("full")])
@pytest.mark.parametrize("step", ["disks", "domain", "wait"])
def test_a_boot_that_is_broken_off_leaves_nothing(
    definition: vm.Definition,
    removed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: BaseException,
) -> None:
    """Whatever ends it, and wherever, the copy's domain and files are taken away, and the error is still the same."""

    def broken(*_: object, **__: object) -> None:
        assert guest.folders("vmlab-boot-7")
        raise error

    places = {"disks": (disks, "make"), "domain": (domains, "create"), "wait": (http_probe, "ask")}
    monkeypatch.setattr(*places[step], broken)

    with pytest.raises(type(error)) as caught:
        vm.boot(definition, Slot(7, 18207), Request("/", "n0nce", echoed=True, seconds=5))

    assert caught.value is error
    assert removed == ["vmlab-boot-7", "vmlab-boot-7"]  # before, and because of the error
    assert guest.folders("vmlab-boot-7") == []


def test_the_first_error_is_the_one_that_is_told(
    definition: vm.Definition, removed: list[str], monkeypatch: pytest.MonkeyPatch
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


def test_a_guest_that_has_ended_is_not_waited_for(definition: vm.Definition, removed: list[str]) -> None:
    """QEMU's end is noticed long before the time is up, and nothing is left of the copy."""
    start = time.monotonic()

    with pytest.raises(NeverAnswered, match="vmlab-boot-7 did not answer"):
        vm.boot(definition, Slot(7, 18207), Request("/", "n0nce", echoed=True, seconds=60))

    assert time.monotonic() - start < 10
    assert guest.folders("vmlab-boot-7") == []


def test_qemus_user_reaches_a_copy(
    home: Path, definition: vm.Definition, removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With any umask it can pass through every folder that was made; one that was there keeps its mode."""
    modes = {}

    def look(*_: object) -> None:
        for folder in (guest.folders("vmlab-boot-7")[0], guest.copies(), guest.copies().parent, home):
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
