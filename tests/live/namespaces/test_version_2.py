"""Cgroup version 2 for real: the packed rungs in a guest that has nothing else, whatever version this machine has.

The guest is one of the lab's kernels under emulation with a file system in memory: busybox mounts version 2, starts the
packed launcher, looks at the group from outside meanwhile, and powers off. Left out: a systemd that shares the tree.
"""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from machine.errors import Unavailable
from substrates.rungs import cgroups
from substrates.vm import guest
from substrates.vm.accelerator.initramfs import Entry, archive, directory, program
from tests.live.conftest import missing
from tests.live.namespaces import elsewhere

AT = Path("/packed")
GROUP = f"/sys/fs/cgroup/vmlab/{elsewhere.NAME}"
FILES = ("cpu.max", "memory.max", "memory.swap.max", "pids.max", "cgroup.procs")
SECONDS = 240  # under emulation it takes 8 on a quiet machine
# pivot_root is refused where the root is the initramfs itself, so everything moves to a tmpfs first.
FIRST = f"""#!/bin/busybox sh
b=/bin/busybox
$b mount -t tmpfs none /new
$b cp -a /bin {AT} /second /new/
$b mkdir -p /new/proc /new/sys /new/dev
exec $b switch_root /new /second
"""
SECOND = f"""#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
$b mount -t cgroup2 cgroup /sys/fs/cgroup; echo
$b chown -R 65532:65532 {AT}/copy
( {{command}}; echo "code $?" ) 2>&1 &
until $b grep -q . {GROUP}/cgroup.procs 2>/dev/null; do $b usleep 10000; done
for f in {" ".join(FILES)}; do echo "$f" $($b cat {GROUP}/$f) >> /seen; done
wait
$b cat /seen
echo left $($b ls /sys/fs/cgroup/vmlab | $b grep {elsewhere.NAME})
echo the end; $b poweroff -f
"""


@pytest.fixture
def kernel() -> guest.Kernel:
    """A kernel of the lab's guests."""
    if shutil.which("qemu-system-x86_64") is None:
        missing("no qemu-system-x86_64; next: vmlab host up guest")
    try:
        return guest.kernel()
    except Unavailable as error:
        missing(str(error))
        raise


def initramfs(folder: Path, busybox: Path) -> bytes:
    """The guest's whole file system."""
    packed = folder / "packed"
    packed.mkdir()
    command = elsewhere.pack(packed, AT, cgroups.Version2(Path("/sys/fs/cgroup"), "vmlab"))
    inside = [
        *(directory(name) for name in ("bin", "new")),
        program("bin/busybox", busybox.read_bytes()),
        program("init", FIRST.encode()),
        program("second", SECOND.replace("{command}", " ".join(command)).encode()),
        directory(AT.name),
    ]
    for path in sorted(packed.rglob("*")):
        name = f"{AT.name}/{path.relative_to(packed)}"
        mode = stat.S_IFREG | stat.S_IMODE(path.stat().st_mode)
        inside.append(directory(name) if path.is_dir() else Entry(name, path.read_bytes(), mode))
    return archive(inside)


def booted(kernel: guest.Kernel, memory: Path) -> str:
    """What the guest says on its console until it powers off."""
    machine = [
        "-M",
        "q35",
        "-accel",
        "tcg",
        "-cpu",
        "max",
        "-smp",
        "2",
        "-m",
        "512",
        "-nographic",
        "-no-reboot",
    ]
    boot = [
        "-kernel",
        str(kernel.image),
        "-initrd",
        str(memory),
        "-append",
        "console=ttyS0 quiet panic=-1 rdinit=/init",
    ]
    done = subprocess.run(
        ["qemu-system-x86_64", *machine, *boot],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )
    return done.stdout.replace("\r", "")


def test_the_limits_bite_under_version_2(
    kernel: guest.Kernel, busybox: Path, home: Path, tmp_path: Path
) -> None:
    """On cgroup version 2 all rungs but the network work: every limit is set and bites, and the group goes with the copy."""
    memory = tmp_path / "initramfs"
    memory.write_bytes(initramfs(tmp_path, busybox))

    said = booted(kernel, memory)

    assert "the end" in said, said
    rows = dict(re.findall(r"^([\w.]+) (.*)$", said, re.MULTILINE))
    assert elsewhere.judge("\n".join(line for line in said.splitlines() if line[:1].isalpha())) == [], said
    assert rows["cpu.max"] == f"{int(elsewhere.CPUS * 100000)} 100000"
    assert (rows["memory.max"], rows["pids.max"]) == (str(elsewhere.MEMORY_BYTES), str(elsewhere.PIDS))
    assert rows["memory.swap.max"] == "0"
    assert rows["cgroup"] == "0::/"
    assert rows["code"] == "0"
    assert "left \n" in said or "left\n" in said
