"""A copy's three disks as files: real qemu-img, and QEMU's user taken to be this one."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from clients.libvirt import connection
from clients.libvirt.description import DiskSpec
from machine.errors import VmlabError
from substrates.vm import disks as vm_disks
from substrates.vm import guest

FILES = {
    "address": "198.18.1.10/26\n",
    "environment": "NAME=välue\n",
    "secret": "line\nline\n\n",
    "command": "",
}
MIB = 1024**2
needs_qemu_img = pytest.mark.skipif(
    shutil.which("qemu-img") is None, reason="no qemu-img here; vmlab host up libvirt"
)


@pytest.fixture
def disks(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[DiskSpec, ...]:
    """Where they will be, with a disk below and an empty one that stand for the guest's."""
    monkeypatch.setattr(connection, "qemu_user", lambda: (os.getuid(), os.getgid()))
    empty = guest.folder() / "disks" / "empty.raw"
    empty.parent.mkdir(parents=True)
    empty.write_bytes(b"formatted" + bytes(4 * MIB))
    empty.chmod(0o444)
    (home / "base.raw").write_bytes(bytes(2 * MIB))
    return tuple(DiskSpec(str(home / name)) for name in ("root.qcow2", "data.raw", "config.raw"))


@needs_qemu_img
def test_they_are_made(home: Path, disks: tuple[DiskSpec, ...]) -> None:
    """A layer above the base in its size, a copy of the empty disk that may be written, and the configuration."""
    base = home / "base.raw"
    vm_disks.make(str(base), disks, FILES)

    command = ["qemu-img", "info", "--output=json", disks[0].path]
    layer = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert (layer["virtual-size"], layer["backing-filename"]) == (2 * MIB, str(base))
    assert layer["backing-filename-format"] == "raw"
    data = Path(disks[1].path)
    assert data.read_bytes() == guest.empty_disk().read_bytes()
    assert data.stat().st_blocks * 512 < MIB
    assert data.stat().st_mode & stat.S_IWUSR
    assert vm_disks.files(Path(disks[2].path)) == FILES


@needs_qemu_img
@pytest.mark.parametrize("umask", [0, 0o077])
def test_they_are_qemus_alone(
    disks: tuple[DiskSpec, ...], monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    """Whatever the umask, each belongs to QEMU's user and is 0600: a guest's data is nobody else's to read."""
    owned = []
    monkeypatch.setattr(os, "chown", lambda path, *user: owned.append((path, *user)))
    before = os.umask(umask)
    try:
        vm_disks.make(str(Path(disks[0].path).with_name("base.raw")), disks, FILES)
    finally:
        os.umask(before)

    assert [stat.S_IMODE(Path(disk.path).stat().st_mode) for disk in disks] == [0o600] * 3
    assert owned == [(disk.path, os.getuid(), os.getgid()) for disk in disks]


@needs_qemu_img
def test_the_configuration_is_for_nobody_else(disks: tuple[DiskSpec, ...]) -> None:
    """It is 0600 from its first byte whatever the umask, in whole sectors, and is never written over another's file."""
    before = os.umask(0)
    try:
        vm_disks.make(str(Path(disks[0].path).with_name("base.raw")), disks, FILES)
    finally:
        os.umask(before)
    config = Path(disks[2].path)

    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert config.stat().st_size % 512 == 0
    with pytest.raises(FileExistsError):
        vm_disks.make(str(config.with_name("base.raw")), disks, FILES)


@pytest.mark.parametrize("content", [None, b"", b"no archive " * 100], ids=["absent", "empty", "other"])
def test_a_configuration_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """It is said of the file, with what to do."""
    path = tmp_path / "config.raw"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(VmlabError, match=r"config\.raw: cannot read this configuration disk .*; vmlab up"):
        vm_disks.files(path)
