"""A copy's folder with its three disks: a layer above the artifact, room for data, and the configuration.

Out of scope: the disks of the stack's own guest, which are volumes (`clients/libvirt/volumes.py`).
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from clients.libvirt import connection, content
from clients.libvirt.description import DiskSpec
from machine import places
from machine.commands import run
from machine.errors import VmlabError
from substrates.vm import guest


def copies() -> Path:
    """The folder of all copies, with a folder for each. QEMU's user can pass through."""
    return places.pools() / "copies"


def folders(prefix: str) -> list[Path]:
    """The folders of the copies whose name begins with this."""
    return sorted(copies().glob(f"{prefix}*"))


def make_folder(folder: Path) -> None:
    """Create a copy's folder. QEMU's user can pass through all that was created for it, whatever the umask."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True)
    for path in made:
        path.chmod(0o711)


def make(base: str, disks: Sequence[DiskSpec], files: Mapping[str, str]) -> None:
    """A layer above `base`, an empty data disk, and the configuration, which only root and QEMU's user may open."""
    layer, data, config = (disk.path for disk in disks)
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, layer])
    run(["cp", "--sparse=always", "--no-preserve=mode", str(guest.empty_disk()), data])
    with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content.archive(files))
    for path in (layer, data, config):  # libvirt does not change owners: see `description.domain`
        Path(path).chmod(0o600)
        os.chown(path, *connection.qemu_user())


def files(config: Path) -> dict[str, str]:
    """The files of a configuration disk, by name; VmlabError when it cannot be read."""
    try:
        with tarfile.open(config, "r:") as archive:
            members = {name: archive.extractfile(name) for name in archive.getnames()}
            return {name: file.read().decode() for name, file in members.items() if file}
    except (OSError, tarfile.TarError) as error:
        raise VmlabError(f"{config}: cannot read this configuration disk ({error}); vmlab up vm") from None
