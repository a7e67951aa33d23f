"""The same guest started by a QEMU command line written by hand, timed from `qemu-img create` to the first valid answer.

Kernel, initramfs, the base disk, memory and the network are those of the stack's own domain; the layer, the data disk and
the configuration are created in the timed part, as the lab creates them. The tap device exists before, so that the time by
hand is a minimum. Out of scope: what a single guest does not need: seccomp, another user, a cgroup.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from clients.libvirt.description import DiskSpec
from machine.commands import run
from machine.errors import VmlabError
from substrates.contract import Boot, Request
from substrates.vm import disks
from substrates.vm.boot import Definition, mac_of
from substrates.vm.console import Watch

NAME = "vmlab-bench-by-hand"
TAP = "vl-by-hand"
PLACE = 61  # in the network: the lab's copies end at .59
END_SECONDS = 10.0
CPU = {"kvm": "host", "tcg": "max"}


class Hand:
    """One stack's guest by hand: the parts of its command line."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.address = str(definition.network.network[PLACE])
        self.folder = disks.copies() / NAME
        self.disks = tuple(
            DiskSpec(str(self.folder / name)) for name in ("root.qcow2", "data.raw", "config.raw")
        )

    def boot(self, request: Request) -> Boot:
        """Create the disks, start QEMU, wait for the answer, remove everything."""
        self._prepare()
        console = self.folder / "console"
        try:
            with Watch(console) as watch:
                stamps = {"requested": time.monotonic_ns()}
                disks.make(self.definition.spec.disks[0].backing, self.disks, self._files(request))
                stamps["accepted"] = time.monotonic_ns()
                with _running(self.command(console), self.folder / "log") as child:
                    url = f"http://{self.address}:{self.definition.port}{request.path}"
                    deadline = stamps["requested"] + int(request.seconds * 1e9)
                    answer = watch.first_answer(url, deadline, request.expected, lambda: child.poll() is None)
                stamps |= watch.stamps_ns
            if answer is None:
                printed = [*watch.lines()[-20:], (self.folder / "log").read_text()]
                raise VmlabError("no answer by hand:\n" + "\n".join(printed))
            return Boot(NAME, {**stamps, "answered": answer.at_ns}, url=url)
        finally:
            self._clear()

    def command(self, console: Path) -> list[str]:
        """The command line as an administrator would type it."""
        spec = self.definition.spec
        root, data, config = (disk.path for disk in self.disks)
        return [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", spec.machine, "-accel", spec.accelerator, "-cpu", CPU[spec.accelerator],
            "-m", f"{spec.memory_bytes // 1024**2}M", "-smp", str(spec.vcpus),
            "-kernel", spec.kernel, "-initrd", spec.initrd, "-append", spec.cmdline,
            "-drive", f"file={root},format=qcow2,if=virtio",
            "-drive", f"file={data},format=raw,if=virtio",
            "-drive", f"file={config},format=raw,if=virtio,readonly=on",
            "-netdev", f"tap,id=net,ifname={TAP},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=net,mac={mac_of(self.address)},romfile=",
            "-device", "virtio-rng-pci", "-serial", f"file:{console}",
        ]  # fmt: skip

    def _files(self, request: Request) -> dict[str, str]:
        own = self.definition
        environment = f"{own.files.get('environment', '')}NONCE={request.nonce}\n"
        address = f"{self.address}/{own.network.network.prefixlen}\n"
        return {**own.files, "address": address, "hostname": f"{NAME}\n", "environment": environment}

    def _prepare(self) -> None:
        self._clear()
        self.folder.mkdir(parents=True)
        bridge, mac = self.definition.bridge, mac_of(self.address)
        run(["ip", "tuntap", "add", "dev", TAP, "mode", "tap"])
        run(["ip", "link", "set", TAP, "master", bridge, "up"])
        run(["ip", "neigh", "replace", self.address, "lladdr", mac, "dev", bridge, "nud", "permanent"])

    def _clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if Path("/sys/class/net", TAP).exists():
            run(["ip", "link", "del", TAP])
        run(["ip", "neigh", "flush", "to", self.address, "dev", self.definition.bridge, "nud", "permanent"])


@contextlib.contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log.open("wb") as file,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file) as child,
    ):
        try:
            yield child
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(END_SECONDS)
