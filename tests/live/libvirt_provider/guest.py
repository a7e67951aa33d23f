"""A guest that boots in a second under TCG: the lab's own kernel, and an initramfs of one static program and modules.

The modules, and the program that hears the power button, are those of the initramfs that `vmlab host up guest` built:
this machine may have another kernel, another's modules, or none. No test writes to what is read here.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from host.guest.kernel import drivers
from substrates.vm import guest
from substrates.vm.accelerator.initramfs import Entry, archive, directory, program

SOURCE = Path(__file__).with_name("init.c")
CMDLINE = "console=ttyS0 quiet panic=-1"
POWER = ("button",)
DISKS = ("virtio_pci", "virtio_blk")
BALLOON = ("virtio_pci", "virtio_balloon")


def kernel() -> Path:
    """The kernel that the lab's guests boot; Unavailable says what builds it."""
    return guest.kernel().image


def initramfs(target: Path, modules: Sequence[str] = ()) -> Path:
    """Write an initramfs whose init loads these modules and what they need."""
    built = members(guest.kernel().initramfs.read_bytes())
    binary = target.with_suffix(".init")
    subprocess.run(["gcc", "-static", "-Os", "-o", str(binary), str(SOURCE)], check=True, capture_output=True)
    files = [directory("dev"), directory("modules")]
    files += [program("init", binary.read_bytes()), program("button", built["init"])]
    needed = _needed(built, modules)
    files += [Entry(f"modules/{number:02}.ko", data) for number, data in enumerate(needed)]
    target.write_bytes(archive(files))
    return target


def members(data: bytes) -> dict[str, bytes]:
    """Name and content of what is in an initramfs as `substrates.accelerator.initramfs` writes it."""
    found, at = {}, 0
    while data[at : at + 6] == b"070701":
        fields = [int(data[at + place : at + place + 8], 16) for place in range(6, 110, 8)]
        size, name_size = fields[6], fields[11]
        start = at + _whole(110 + name_size)
        found[data[at + 110 : at + 109 + name_size].decode()] = data[start : start + size]
        at = start + _whole(size)
    return found


def _whole(size: int) -> int:
    return size + -size % 4


def _needed(built: dict[str, bytes], names: Sequence[str]) -> list[bytes]:
    """These modules, each after what it needs; a guest without one of them would prove nothing."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "lib/modules/guest/kernel"
        kept.mkdir(parents=True)
        for name, data in built.items():
            if name.endswith(".ko"):
                (kept / Path(name).name).write_bytes(data)
        found = drivers(Path(folder), names)
    absent = set(names) - {name for name, _ in found}
    assert not absent, f"the lab's guest has no module {', '.join(sorted(absent))}"
    return [data for _, data in found]
