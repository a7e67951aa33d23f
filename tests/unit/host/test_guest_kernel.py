"""The kernel out of a package: its payload, its drivers in the order of their needs, and another release's sources."""

from __future__ import annotations

import lzma
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from host.artifact import apt
from host.guest import kernel
from machine.errors import VmlabError
from tests.unit.host.conftest import Runner

RELEASE = "6.1.0-99-cloud-amd64"
DEPENDS = {
    "virtio": "", "virtio_ring": "virtio", "virtio-pci": "virtio,virtio_ring,virtio_pci_modern_dev",
    "virtio_pci_modern_dev": "", "virtio_blk": "virtio_ring,virtio", "net_failover": "failover", "failover": "",
    "virtio_net": "virtio,net_failover,virtio_ring", "button": "",
}  # fmt: skip
ORDER = [
    "virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "failover", "net_failover",
    "virtio_net", "button",
]  # fmt: skip


def module(depends: str) -> bytes:
    """What a module says of itself."""
    return b"\x7fELF...\0license=GPL\0depends=" + depends.encode() + b"\0retpoline=Y\0name=x\0"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An unpacked package: one of the modules is compressed, as newer releases have all of them."""
    folder = tmp_path / "tree/lib/modules" / RELEASE / "kernel/drivers"
    folder.mkdir(parents=True)
    for name, depends in DEPENDS.items():
        if name == "failover":
            (folder / "failover.ko.xz").write_bytes(lzma.compress(module(depends)))
        else:
            (folder / f"{name}.ko").write_bytes(module(depends))
    (tmp_path / "tree/boot").mkdir()
    return tmp_path / "tree"


def test_drivers_come_after_what_they_need(tree: Path) -> None:
    """Each once, with all that it needs before it; one that is built in has no file and is left out; - and _ are one."""
    found = kernel.drivers(tree)

    assert [name for name, _ in found] == ORDER
    assert dict(found)["failover"] == module("")
    assert kernel.drivers(tree, ("button",)) == [("button", module(""))]


def test_merged_usr(tree: Path) -> None:
    """A release that has its modules in /usr/lib has the same."""
    before = kernel.drivers(tree)
    (tree / "usr").mkdir()
    (tree / "lib").rename(tree / "usr/lib")

    assert kernel.drivers(tree) == before


def bzimage(payload: bytes, setup_sectors: int = 3) -> bytes:
    """A boot image with this payload where its header says."""
    head = bytearray((setup_sectors + 1) * 512)
    head[0x1F1] = setup_sectors
    struct.pack_into("<II", head, 0x248, 64, len(payload))
    return bytes(head) + bytes(64) + payload + b"tail"


@pytest.mark.skipif(shutil.which("lz4") is None, reason="no lz4 here; vmlab host up guest")
def test_the_payload_is_unpacked(tree: Path, tmp_path: Path) -> None:
    """LZ4's legacy form, as Debian packs it, with the size that the kernel's build puts behind it."""
    plain = b"\x7fELF the kernel" * 1000
    packed = subprocess.run(["lz4", "-l", "-c"], input=plain, capture_output=True, check=True).stdout
    image = bzimage(packed + struct.pack("<I", len(plain)))
    (tree / "boot" / f"vmlinuz-{RELEASE}").write_bytes(image)

    kernel.image(tree, tmp_path / "kernel")

    assert (tmp_path / "kernel").read_bytes() == plain
    assert kernel.release(tree) == RELEASE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kernel", "tree"]


def test_another_payload_is_left_packed(tree: Path, tmp_path: Path) -> None:
    """QEMU starts a bzImage too."""
    image = bzimage(b"\xfd7zXZ\0" + bytes(100))
    (tree / "boot" / f"vmlinuz-{RELEASE}").write_bytes(image)

    kernel.image(tree, tmp_path / "kernel")

    assert (tmp_path / "kernel").read_bytes() == image


LIST = """# the machine's
deb [signed-by=/k.gpg] mirror/debian bookworm main
deb mirror/debian-security bookworm-security main
deb-src mirror/debian bookworm main
deb mirror/other-product stable main
"""
STANZAS = """Types: deb
URIs: mirror/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: mirror/debian-security
Suites: bookworm-security
Components: main
"""


def test_sources_are_moved_to_the_other_release() -> None:
    """Only Debian's own suite; security and updates, sources and other products are left out, options stay."""
    assert kernel._moved(LIST) == "deb [signed-by=/k.gpg] mirror/debian trixie main\n"
    assert (
        kernel._moved(LIST.replace("bookworm", "trixie"))
        == "deb [signed-by=/k.gpg] mirror/debian bookworm main\n"
    )
    moved = kernel._moved(STANZAS)
    assert moved.count("Suites:") == 1
    assert "Suites: trixie\n" in moved
    assert "debian-security" not in moved


@pytest.mark.parametrize(("text", "form"), [(LIST, "list"), (STANZAS, "sources")])
def test_other_has_lists_of_its_own(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, form: str
) -> None:
    """apt is told to keep everything in the folder; this machine's lists, status and sources are not touched."""
    (tmp_path / f"debian.{form}").write_text(text)
    monkeypatch.setattr(apt, "sources", lambda: [tmp_path / f"debian.{form}"])
    folder = tmp_path / "apt"

    found = kernel.other(folder)

    assert (folder / f"etc/sources.list.d/other.{form}").read_text() == kernel._moved(text)
    options = " ".join(found.options)
    for key in ("Dir::State", "Dir::State::status", "Dir::Cache", "Dir::Etc::sourceparts"):
        assert f"{key}={folder}" in options
    assert "Dir::Etc::sourcelist=/dev/null" in options
    assert runner.began("apt-get -q -o")[0].endswith("update")


def test_a_machine_of_no_known_release_has_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and nothing is downloaded."""
    (tmp_path / "some.list").write_text("deb mirror/some stable main\n")
    monkeypatch.setattr(apt, "sources", lambda: [tmp_path / "some.list"])

    with pytest.raises(VmlabError, match="no other kernel"):
        kernel.other(tmp_path / "apt")


def test_the_newest_package(runner: Runner) -> None:
    """The one that the metapackage depends on, with its version; none is an error with the next step."""
    runner.answers["apt-cache depends"] = f"linux-image-cloud-amd64\n  Depends: linux-image-{RELEASE}\n"
    runner.answers["apt-cache show"] = f"Package: linux-image-{RELEASE}\nVersion: 6.1.200-1\n"
    assert kernel.candidate(kernel.own()) == (f"linux-image-{RELEASE}", "6.1.200-1")

    runner.answers["apt-cache depends"] = "linux-image-cloud-amd64\n"
    with pytest.raises(VmlabError, match="apt-get update"):
        kernel.candidate(kernel.own())
