"""A guest that boots in a second under TCG: a distribution's kernel, and an initramfs of one static program and modules.

The initramfs is a cpio archive (newc) written here; the modules are those of the kernel that is asked for, in the order
in which they need each other.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

SOURCE = Path(__file__).with_name("init.c")
CMDLINE = "console=ttyS0 quiet panic=-1"
POWER = ("button", "evdev")
DISKS = ("virtio_pci", "virtio_blk")
BALLOON = ("virtio_pci", "virtio_balloon")


def kernel() -> Path | None:
    """The newest kernel of this machine with its modules; None when there is none that it may boot."""
    kernels = sorted(Path("/boot").glob("vmlinuz-*-cloud-*"))
    return next((file for file in reversed(kernels) if _modules_of(file).is_dir()), None)


def initramfs(target: Path, modules: Sequence[str] = ()) -> Path:
    """Write an initramfs whose init loads these modules and what they need."""
    there = kernel()
    assert there is not None
    files = [file for name in modules for file in _needed(there, name)]
    program = target.with_suffix(".init")
    subprocess.run(
        ["gcc", "-static", "-Os", "-o", str(program), str(SOURCE)], check=True, capture_output=True
    )
    entries = [("dev", 0o40755, b""), ("modules", 0o40755, b""), ("init", 0o100755, program.read_bytes())]
    for number, file in enumerate(dict.fromkeys(files)):
        entries.append((f"modules/{number:02}.ko", 0o100644, file.read_bytes()))
    target.write_bytes(b"".join(_cpio(entries)))
    return target


def _modules_of(image: Path) -> Path:
    return Path("/lib/modules") / image.name.removeprefix("vmlinuz-")


def _needed(image: Path, name: str) -> list[Path]:
    release = image.name.removeprefix("vmlinuz-")
    command = ["modprobe", "--show-depends", "--set-version", release, name]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [Path(line.split()[1]) for line in lines if line.startswith("insmod")]


def _cpio(entries: list[tuple[str, int, bytes]]) -> Iterator[bytes]:
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")]):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        yield head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
