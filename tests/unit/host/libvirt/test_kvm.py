"""Who may open /dev/kvm while libvirt of ours is up."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from host.libvirt import kvm


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for the device, and a group called kvm."""
    if os.geteuid() != 0:
        pytest.skip("files of other groups belong to root")
    monkeypatch.setattr(grp, "getgrnam", lambda _: grp.struct_group(("kvm", "x", 1234, [])))
    path = tmp_path / "kvm"
    path.touch()
    path.chmod(0o600)
    os.chown(path, 0, 0)
    return path


def test_a_device_of_root_alone_is_given_to_its_group_and_taken_back(device: Path) -> None:
    """Group and mode are those of Debian's udev rule while libvirt is up, and afterwards what they were."""
    assert kvm.open_to_guests(device)
    assert (device.stat().st_gid, device.stat().st_mode & 0o777) == (1234, 0o660)

    kvm.close(device)
    assert (device.stat().st_gid, device.stat().st_mode & 0o777) == (0, 0o600)


def test_what_the_administrator_has_set_stays(device: Path) -> None:
    """A device that is open, or closed in another way, is left as it is; so is a machine without one."""
    device.chmod(0o640)

    assert not kvm.open_to_guests(device)
    assert device.stat().st_mode & 0o777 == 0o640
    assert not kvm.open_to_guests(device.with_name("none"))
