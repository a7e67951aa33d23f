"""The artifact's trees as disks: trimmed units, ext4 images that appear whole, and the same without a mount."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from host.guest import disk
from machine.addresses import USER
from machine.errors import VmlabError

MIB = 1024**2
needs_mke2fs = pytest.mark.skipif(
    shutil.which("mke2fs") is None or shutil.which("debugfs") is None,
    reason="no e2fsprogs here; vmlab host up guest",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with Debian's usual units."""
    units = tmp_path / "tree/etc/systemd/system"
    for name in ("getty.target.wants/getty@tty1.service", "sysinit.target.wants/systemd-pstore.service"):
        (units / name).parent.mkdir(parents=True)
        (units / name).symlink_to("/lib/systemd/system/x.service")
    (units / "multi-user.target.wants").mkdir()
    (units / "multi-user.target.wants/service.service").symlink_to("../service.service")
    (units / "default.target").symlink_to("/lib/systemd/system/graphical.target")
    return tmp_path / "tree"


def test_units_are_trimmed(tree: Path) -> None:
    """What is masked leads to nothing, what nobody wants is gone; the service and the button's listener are left."""
    disk.trim(tree)

    units = tree / "etc/systemd/system"
    assert {(units / name).readlink() for name in disk.MASKED} == {Path("/dev/null")}
    assert (units / "default.target").readlink().name == "multi-user.target"
    assert sorted(path.name for path in (units / "multi-user.target.wants").iterdir()) == [
        "service.service",
        "vmlab-power.service",
    ]
    assert not (units / "getty.target.wants").exists()
    assert not (units / "sysinit.target.wants").exists()
    assert "ExecStart=/run/vmlab/guest power" in (units / "vmlab-power.service").read_text()
    assert "Storage=volatile" in (tree / "etc/systemd/journald.conf.d/vmlab.conf").read_text()
    assert "DefaultTimeoutStopSec=10s" in (tree / "etc/systemd/system.conf.d/vmlab.conf").read_text()


def test_what_the_service_needs_is_never_masked() -> None:
    """Mounts, tmpfiles, sysctl, the journal and the way down are systemd's work in the guest."""
    needed = {
        "multi-user.target", "sysinit.target", "basic.target", "poweroff.target", "shutdown.target", "local-fs.target",
        "systemd-journald.service", "systemd-tmpfiles-setup.service", "systemd-sysctl.service", "systemd-poweroff.service",
    }  # fmt: skip
    assert needed.isdisjoint(disk.MASKED)
    assert len(set(disk.MASKED)) == len(disk.MASKED)


@pytest.fixture
def artifact(tmp_path: Path) -> dict[str, object]:
    """An artifact whose two variants are one small tree."""
    tar = tmp_path / "tree.tar"
    (tmp_path / "app.py").write_text("print('hello')\n")
    with tarfile.open(tar, "w") as archive:
        for name in ("srv", "data", "etc", "etc/systemd", "etc/systemd/system"):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member)
        archive.add(tmp_path / "app.py", "srv/app.py")
    variant = {"tar": str(tar), "tree_bytes": MIB}
    return {"name": "try", "variants": {"slim": variant, "full": variant}}


def debugfs(image: Path, request: str) -> str:
    """What the file system itself says."""
    return subprocess.run(
        ["debugfs", "-R", request, str(image)], capture_output=True, text=True, check=True
    ).stdout


@needs_mke2fs
def test_disks_are_made(artifact: dict[str, object], tmp_path: Path) -> None:
    """One read-only image a variant, without a journal, with the tree in it; only `full` is trimmed; nothing else is left."""
    made = disk.build(artifact, tmp_path / "disks")

    assert sorted(path.name for path in (tmp_path / "disks").iterdir()) == ["full.raw", "slim.raw"]
    for variant, path in made.items():
        image = Path(path)
        assert image.stat().st_mode & 0o777 == 0o444
        assert image.stat().st_size >= disk.ROOM_BYTES > image.stat().st_blocks * 512
        assert debugfs(image, "cat /srv/app.py") == "print('hello')\n"
        assert "has_journal" not in debugfs(image, "features")
        assert ("vmlab-power.service" in debugfs(image, "ls /etc/systemd/system")) == (variant == "full")


@needs_mke2fs
def test_a_disk_that_is_there_is_kept(artifact: dict[str, object], tmp_path: Path) -> None:
    """It is not made again, and one that cannot be made leaves no half of itself."""
    image = Path(disk.build(artifact, tmp_path / "disks")["slim"])
    before = image.stat().st_mtime_ns
    disk.build(artifact, tmp_path / "disks")
    assert image.stat().st_mtime_ns == before

    (tmp_path / "tree.tar").write_bytes(b"no archive")
    with pytest.raises(VmlabError):
        disk.build(artifact, tmp_path / "others")
    assert list((tmp_path / "others").iterdir()) == []


@needs_mke2fs
def test_the_empty_disk(tmp_path: Path) -> None:
    """It belongs to the service's user, has a journal and takes next to nothing."""
    disk.empty(tmp_path / "empty.raw")

    said = debugfs(tmp_path / "empty.raw", "stat /")
    assert "has_journal" in debugfs(tmp_path / "empty.raw", "features")
    assert f"User: {USER}" in said
    assert (tmp_path / "empty.raw").stat().st_size == disk.DATA_BYTES
    assert (tmp_path / "empty.raw").stat().st_blocks * 512 < 8 * MIB
