"""Leftovers of a killed libvirt, in a tree of the test's own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from host.libvirt import leftovers
from tests.unit.host.conftest import Proc


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A /run with libvirt's folders."""
    for name in ("qemu", "network"):
        (tmp_path / "r/libvirt" / name).mkdir(parents=True)
    return tmp_path / "r"


def test_stale_files_are_removed_and_said(folder: Path, proc: Proc) -> None:
    """A gone pid, a pid that is another program's now and a socket that refuses are cleared; notes of guests stay."""
    said: list[str] = []
    (folder / "libvirtd.pid").write_text("50")
    (folder / "virtlogd.pid").write_text("51")
    (folder / "libvirt/qemu/guest.xml").touch()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "libvirt/libvirt-sock"))
    proc.add(51, "postgres")

    leftovers.clear(said.append, folder, proc.root)

    assert [path.name for path in folder.rglob("*") if not path.is_dir()] == ["guest.xml"]
    assert len(said) == 3
    assert "pid 50 is gone" in said[0]
    assert "pid 51 is postgres now" in said[1]
    assert "no process listens" in said[2]


def test_what_lives_stays(folder: Path, proc: Proc) -> None:
    """A pid file of a living libvirtd and a socket that accepts are left, and its pid is told."""
    said: list[str] = []
    (folder / "libvirtd.pid").write_text("50")
    proc.add(50, "libvirtd")
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(folder / "libvirt/virtlogd-sock"))
        alive.listen()
        leftovers.clear(said.append, folder, proc.root)

    assert said == []
    assert leftovers.holder(folder, proc.root) == 50


def test_guests_are_those_that_live(folder: Path, proc: Proc) -> None:
    """A guest counts while its pid is a QEMU's; the notes name the dead ones too."""
    for pid, name in ((60, "alive"), (61, "dead"), (62, "reused")):
        (folder / f"libvirt/qemu/{name}.pid").write_text(str(pid))
        (folder / f"libvirt/qemu/{name}.xml").touch()
    (folder / "libvirt/network/net.xml").touch()
    proc.add(60, "qemu-system-x86")
    proc.add(62, "postgres")

    assert leftovers.guests(folder, proc.root) == ["alive"]
    assert leftovers.notes(folder) == ["alive", "dead", "net", "reused"]
