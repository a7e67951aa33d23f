"""Cgroup version 2 as systemd shares it: the packed rungs in the lab's own `full` guest, beside its services.

The rungs come on a disk of their own, a kernel argument (systemd.run) starts them, and what they say comes out of a second
serial console. The first console is the guest's. Left out: the network of the rungs, and what `test_version_2` shows alone.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from clients.libvirt import content
from machine.errors import Unavailable
from substrates.inputs import artifact
from substrates.rungs import cgroups
from substrates.vm import guest
from tests.live.conftest import missing
from tests.live.namespaces import elsewhere

AT = Path("/mnt/packed")
GROUP = f"/sys/fs/cgroup/vmlab/{elsewhere.NAME}"
FILES = ("cpu.max", "memory.max", "pids.max")
SECONDS = 120  # under emulation it takes 15 on a quiet machine
SCRIPT = f"""exec > /dev/ttyS1 2>&1
echo init $(cat /proc/1/comm)
echo system $(stat -fc %T /sys/fs/cgroup)
( {{command}}; echo "code $?" ) &
until grep -q . {GROUP}/cgroup.procs 2>/dev/null; do sleep 0.02; done
for f in {" ".join(FILES)}; do echo "$f" $(cat {GROUP}/$f) >> /run/seen; done
wait
cat /run/seen
echo left $(ls /sys/fs/cgroup/vmlab | grep {elsewhere.NAME})
echo the end
"""
RUN = f"systemd.run=\"/bin/sh -c 'mount /dev/vdd /mnt && sh {AT}/go'\""
ENDS = (
    "systemd.unit=kernel-command-line.target systemd.run_success_action=poweroff-force "
    "systemd.run_failure_action=poweroff-force"
)


@pytest.fixture
def disks(tmp_path: Path) -> list[Path]:
    """A layer above the full guest, data, an empty configuration without an address, and the packed rungs."""
    if shutil.which("qemu-system-x86_64") is None:
        missing("no qemu-system-x86_64; next: vmlab host up guest")
    try:
        base, empty = guest.disk(artifact.load(), "full"), guest.empty_disk()
    except Unavailable as error:
        missing(str(error))
        raise
    layer, data, config, packed = (tmp_path / name for name in ("layer", "data", "config", "packed.raw"))
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(layer)], check=True
    )
    subprocess.run(["cp", "--sparse=always", "--no-preserve=mode", str(empty), str(data)], check=True)
    config.write_bytes(content.archive({"hostname": "v2\n"}))
    folder = tmp_path / "tree" / AT.name
    folder.mkdir(parents=True)
    command = elsewhere.pack(folder, AT, cgroups.Version2(Path("/sys/fs/cgroup"), "vmlab"))
    (folder / "go").write_text(SCRIPT.replace("{command}", " ".join(command)))
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(folder.parent), str(packed), "64m"], check=True)
    return [layer, data, config, packed]


def booted(disks: list[Path], folder: Path) -> str:
    """What comes out of the second console until the guest powers off; the first one's end when nothing does."""
    kernel = guest.kernel()
    words = f"{guest.COMMAND_LINE} {guest.FULL_COMMAND_LINE} vmlab_variant=full {RUN} {ENDS}"
    command = [
        "qemu-system-x86_64",
        "-M",
        "q35",
        "-accel",
        "tcg",
        "-cpu",
        "max",
        "-m",
        "512",
        "-nodefaults",
        "-no-reboot",
    ]
    command += [
        "-display",
        "none",
        "-kernel",
        str(kernel.image),
        "-initrd",
        str(kernel.initramfs),
        "-append",
        words,
    ]
    for disk in disks:
        form = "qcow2" if disk.name == "layer" else "raw"
        command += ["-drive", f"file={disk},format={form},if=virtio"]
    first, second = folder / "first", folder / "second"
    command += ["-serial", f"file:{first}", "-serial", f"file:{second}"]
    subprocess.run(command, stdin=subprocess.DEVNULL, timeout=SECONDS, check=True)
    return second.read_text(errors="replace").replace("\r", "") or first.read_text(errors="replace")[-2000:]


def test_the_limits_bite_beside_systemd(home: Path, disks: list[Path], tmp_path: Path) -> None:
    """In a guest whose systemd owns cgroup version 2, every limit of ours is set and bites, and the group goes afterwards."""
    said = booted(disks, tmp_path)

    assert "the end" in said, said
    rows = dict(re.findall(r"^([\w.]+) (.*)$", said, re.MULTILINE))
    assert (rows["init"], rows["system"]) == ("systemd", "cgroup2fs")
    assert elsewhere.judge("\n".join(line for line in said.splitlines() if line[:1].isalpha())) == [], said
    assert rows["cpu.max"] == f"{int(elsewhere.CPUS * 100000)} 100000"
    assert (rows["memory.max"], rows["pids.max"]) == (str(elsewhere.MEMORY_BYTES), str(elsewhere.PIDS))
    assert rows["code"] == "0"
    assert re.search(r"^left ?$", said, re.MULTILINE), said
