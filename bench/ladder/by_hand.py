"""A boot of the static binary by a C program that makes the rungs' system calls itself, started and probed as a copy is."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from clients.http_probe import first_answer
from machine import ports
from machine.addresses import USER
from machine.commands import launch
from substrates import namespaces
from substrates.rungs import cgroups

SOURCE = Path(__file__).with_name("by_hand.c")
NAME = "vmlab-boot-by-hand"
FLAGS = (
    "-static",
    "-Os",
    "-s",
    "-Wl,--build-id=none",
    "-Wall",
    "-Wextra",
    "-Werror",
)  # as the launcher is compiled


@dataclass(frozen=True)
class ByHand:
    """The compiled program, and a separate folder for the files of a copy."""

    program: Path
    folder: Path

    @classmethod
    def compiled(cls, folder: Path) -> ByHand:
        """Compile it in the folder."""
        program = folder / "by_hand"
        subprocess.run(["gcc", *FLAGS, "-o", str(program), str(SOURCE)], check=True)
        return cls(program, folder)

    def boot_seconds(self, definition: namespaces.Definition, port: int, *, bare: bool) -> float:
        """Seconds from the start to the first answer; its files and processes are removed."""
        for name in ("data", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
            os.chown(self.folder / name, USER, USER)
        root, nonce = Path(definition.root), secrets.token_hex(8)
        folders = [str(self.folder / name) for name in ("data", "tmp")]
        whole = ["all", cgroups.base(), NAME, str(root), *folders, "/null"]
        command = ["bare", str(root / "null")] if bare else whole
        environment = {"PORT": str(port), "BIND": "127.0.0.1", "NONCE": nonce}
        (self.folder / "log").write_bytes(b"")
        began = time.monotonic_ns()
        pid = launch(
            [str(self.program), *command],
            environment=environment,
            directory=self.folder,
            log=self.folder / "log",
        )
        _await_listening(self.folder / "log", began + int(10e9))
        answer = first_answer(f"http://127.0.0.1:{port}/", began + int(10e9), nonce)
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        _await_free(port)
        cgroups.here().remove(NAME)
        cgroups.here().remove_bases()
        if answer is None:
            raise RuntimeError((self.folder / "log").read_text())
        return (answer.at_ns - began) / 1e9

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _await_listening(log: Path, deadline_ns: int) -> None:
    """Wait before the first probe, as a copy is not probed before its program runs: probing takes CPU time from the start."""
    while b"listening" not in log.read_bytes() and time.monotonic_ns() < deadline_ns:
        time.sleep(0.0001)


def _await_free(port: int) -> None:
    """Wait for the processes inside, which end after their parent."""
    deadline = time.monotonic() + 5
    while ports.owner(port) and time.monotonic() < deadline:
        time.sleep(0.001)
