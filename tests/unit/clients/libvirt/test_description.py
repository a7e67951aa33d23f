"""What libvirt is given: the same comes back, hostile text stays text, and what cannot be is refused."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.libvirt.description import (
    DiskSpec,
    DomainSpec,
    InterfaceSpec,
    NetworkSpec,
    PoolSpec,
    VolumeSpec,
    domain,
    network,
    pool,
    volume,
)
from machine.errors import InvalidInput

GUEST = DomainSpec(
    "vmlab-a", "vmlab/vm", 512 * 1024**2, kernel="/k", initrd="/i", cmdline="quiet", console="/c"
)
LINKED = replace(
    GUEST,
    disks=(
        DiskSpec("/pool/a", "qcow2", backing="/base"),
        DiskSpec("/pool/b", read_only=True, cache="unsafe"),
    ),
    interfaces=(InterfaceSpec("net", "52:54:00:12:01:0A"),),
)
NETWORK = NetworkSpec("vmlab-n", "vmlab/vm", "198.18.1.1/26", "vmlab0")
HOSTILE = ["a<b>&\"'", "]]>", "<!--", "&lt;", "ünï ☃ 𝒳", "a b", "$(reboot)", "a,b=c", "-x", "%s%n", "a;b|c"]
NO_NAME = [
    "",
    " ",
    " a",
    "a ",
    ".",
    "..",
    "a/b",
    "../a",
    "a\nb",
    "a\rb",
    "a\0b",
    "a\x1bb",
    "a\x7f",
    "a\u2028b",
    "\ud800",
]


def test_domain_comes_back_as_it_was() -> None:
    """A domain read from its own XML is the one that it was built from, with everything said that goes without saying."""
    for spec in (
        GUEST,
        LINKED,
        replace(
            LINKED,
            cpus=0.5,
            max_vcpus=4,
            max_memory_bytes=1024**3,
            uuid="0a0b0c0d-0000-4000-8000-00000000f00d",
        ),
        replace(GUEST, accelerator="kvm", machine="pc"),
        replace(GUEST, cpu_model="qemu64", balloon=True),
    ):
        assert replace(domain.from_xml(domain.to_xml(spec)), machine="pc") == spec.whole()


def test_only_virtio_and_nothing_to_look_at() -> None:
    """A guest has virtio devices and a serial console: no graphics, no USB, no sound."""
    devices = ElementTree.fromstring(domain.to_xml(LINKED)).find("devices")
    assert devices is not None
    assert {disk.get("bus") for disk in devices.iter("target") if disk.get("bus")} == {"virtio"}
    assert [model.get("type") for model in devices.iter("model")] == ["virtio"]
    assert {child.tag for child in devices} == {
        "disk",
        "controller",
        "interface",
        "serial",
        "rng",
        "memballoon",
    }
    assert [(c.get("type"), c.get("model")) for c in devices.iter("controller")] == [("usb", "none")]


def test_qemu_is_given_no_file() -> None:
    """With a user named, libvirt runs QEMU as that one and changes no file's owner."""
    label = ElementTree.fromstring(domain.to_xml(LINKED, (64055, 109))).find("seclabel")
    assert label is not None
    assert (label.get("type"), label.get("relabel"), label.findtext("label")) == (
        "static",
        "no",
        "+64055:+109",
    )


@pytest.mark.parametrize(
    ("vcpus", "cpus", "quota"), [(1, 1.0, -1), (2, 2.0, -1), (1, 0.5, 50000), (2, 1.5, 75000), (2, 1, 50000)]
)
def test_quota_is_of_each_processor(vcpus: int, cpus: float, quota: int) -> None:
    """A quota is set only where less than all of the processors may be used, and is read back as the same share."""
    spec = replace(GUEST, vcpus=vcpus, cpus=cpus)
    assert domain.quota_microseconds(spec) == quota
    assert domain.is_quota_of(domain.from_xml(domain.to_xml(spec)), cpus)


@given(st.floats(0.01, 1.0))
def test_quota_of_any_share_settles(cpus: float) -> None:
    """Whatever share is asked for, what is read back asks for just that again."""
    spec = replace(GUEST, cpus=cpus)
    assert domain.quota_microseconds(domain.from_xml(domain.to_xml(spec))) == domain.quota_microseconds(spec)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    """Marks of XML, of shells and of QEMU's options in names, labels, paths and command lines come back as they were."""
    spec = replace(
        LINKED, name=text, stack=text, cmdline=text, console=f"/{text}", disks=(DiskSpec(f"/p/{text}"),)
    )
    assert replace(domain.from_xml(domain.to_xml(spec)), machine="pc") == spec.whole()
    named = replace(NETWORK, name=text, stack=text)
    assert network.from_xml(network.to_xml(named)) == named
    assert pool.from_xml(pool.to_xml(PoolSpec(text, f"/p/{text}"))) == PoolSpec(text, f"/p/{text}")
    disk = VolumeSpec(text, "p", 512)
    assert volume.from_xml(volume.to_xml(disk), "p") == disk


@given(st.text(max_size=250))
def test_any_name_is_written_as_it_is_or_refused(name: str) -> None:
    """There is no third way: a name comes back unchanged, or nothing is built."""
    try:
        document = network.to_xml(replace(NETWORK, name=name))
    except InvalidInput:
        return
    assert network.from_xml(document).name == name


@pytest.mark.parametrize("name", [*NO_NAME, "a" * 201, "ü" * 101])
def test_impossible_names_are_refused(name: str) -> None:
    """A name that is empty, a path, a control character's, or longer than a file name can be is InvalidInput everywhere."""
    with pytest.raises(InvalidInput):
        domain.to_xml(replace(GUEST, name=name))
    with pytest.raises(InvalidInput):
        network.to_xml(replace(NETWORK, name=name))
    with pytest.raises(InvalidInput):
        pool.to_xml(PoolSpec(name, "/p"))
    with pytest.raises(InvalidInput):
        volume.to_xml(VolumeSpec(name, "p", 512))


@pytest.mark.parametrize(
    "change",
    [
        {"cmdline": "a\nb"}, {"kernel": "relative"}, {"console": "c"}, {"accelerator": "xen"}, {"stack": "a\0"}, {"stack": ""},
        {"disks": (DiskSpec("/a", "vmdk"),)}, {"disks": (DiskSpec("/a", "raw", backing="/b"),)},
        {"disks": (DiskSpec("a"),)}, {"interfaces": (InterfaceSpec("n\n", "52:54:00:00:00:01"),)},
    ],
)  # fmt: skip
def test_impossible_domains_are_refused(change: dict[str, object]) -> None:
    """Line breaks, relative paths, unknown accelerators and formats are InvalidInput before libvirt is asked."""
    with pytest.raises(InvalidInput):
        domain.to_xml(replace(GUEST, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"address": "198.18.1.0/26"}, {"address": "198.18.1.1"}, {"address": "x"}, {"bridge": "b" * 16}, {"bridge": ""},
        {"bridge": "a/b"}, {"stack": ""}, {"dhcp": ("198.18.2.1", "198.18.1.9")},
    ],
)  # fmt: skip
def test_impossible_networks_are_refused(change: dict[str, object]) -> None:
    """A network's address must be a host's, its bridge a link's name, its DHCP range inside."""
    with pytest.raises(InvalidInput):
        network.to_xml(replace(NETWORK, **change))  # type: ignore[arg-type]


def test_network_comes_back_as_it_was() -> None:
    """Isolated or not, with names and addresses given out or not."""
    for spec in (NETWORK, replace(NETWORK, isolated=False, dns=True, dhcp=("198.18.1.9", "198.18.1.12"))):
        assert network.from_xml(network.to_xml(spec)) == spec


def test_sizes_and_modes_of_storage() -> None:
    """A volume needs a capacity, a mode is four octal digits."""
    for wrong in (
        VolumeSpec("a", "p", 0),
        VolumeSpec("a", "p", 1, mode="rw"),
        VolumeSpec("a", "p", 1, backing="/b"),
    ):
        with pytest.raises(InvalidInput):
            volume.to_xml(wrong)
    with pytest.raises(InvalidInput):
        pool.to_xml(PoolSpec("a", "/p", mode="711"))
    spec = VolumeSpec("a", "p", 1024, "qcow2", "/b", "raw", "0640")
    assert volume.from_xml(volume.to_xml(spec, (1, 2)), "p") == spec
