"""Copies of a guest as they are planned: names, addresses, disks and what each is told. No libvirt."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from substrates import guest, vm
from substrates.contract import Request, Slot
from substrates.libvirt.description import DiskSpec, DomainSpec, InterfaceSpec

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
