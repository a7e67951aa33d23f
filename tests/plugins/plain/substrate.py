"""A plain program as a substrate: the functions of `substrates/contract.py`, in their order."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clients.http_probe import first_answer
from machine import commands, files, places, processes
from machine.errors import NeverAnswered, VmlabError
from machine.waiting import Deadline
from substrates.contract import BOOT_PREFIX, Boot, Footprint, Limits, Request, Slot

SERVER = Path(__file__).with_name("server.py")
STOP_SECONDS = 5.0
DIGEST = "sha256:plain"


@dataclass(frozen=True)
class Copy:
    """A program that was started."""

    name: str
    process: processes.Process


def definition(instance: dict[str, Any]) -> str:
    """Every copy is the same program."""
    _found(instance)
    return str(SERVER)


def boot(definition: str, slot: Slot, request: Request) -> Boot:
    """Start a copy and wait for its nonce."""
    stamps = {"requested": time.monotonic_ns()}
    copy = start(slot.name, slot.port, request.nonce)
    stamps["accepted"] = time.monotonic_ns()
    deadline = stamps["requested"] + int(request.seconds * 1e9)
    answer = first_answer(f"http://127.0.0.1:{slot.port}{request.path}", deadline, request.expected)
    if answer is None:
        destroy(copy)
        raise NeverAnswered(slot.name, "accepted", request.seconds, [])
    return Boot(copy, {**stamps, "answered": answer.at_ns})


def footprint(copy: Copy) -> Footprint:
    """Of the one process."""
    pid = copy.process.pid
    return Footprint(processes.pss_bytes(pid), None, processes.cpu_seconds(pid), 0)


def limits(instance: dict[str, Any]) -> Limits:
    """Nothing limits it."""
    _found(instance)
    return Limits(None, None, enforced=False)


def artifact(instance: dict[str, Any]) -> str:
    """The test's."""
    return DIGEST


def image_bytes(instance: dict[str, Any]) -> int:
    """The program's file."""
    return SERVER.stat().st_size


def destroy(copy: Copy) -> None:
    """End it and forget it."""
    if copy.process.lives():
        os.kill(copy.process.pid, signal.SIGKILL)
    if not Deadline(STOP_SECONDS).until(lambda: _ended(copy), 0.001):
        raise VmlabError(f"{copy.name} does not end")
    shutil.rmtree(_folder(copy.name), ignore_errors=True)


def remove_copies() -> None:
    """Those of an interrupted run."""
    _remove([name for name in everything_labelled() if name.startswith(BOOT_PREFIX)])


def everything_labelled() -> list[str]:
    """Every copy on record."""
    return sorted(path.name for path in _folder("").glob("*"))


def remove_labelled() -> None:
    """All of them."""
    _remove(everything_labelled())


def start(name: str, port: int, nonce: str = "") -> Copy:
    """Start the program; what is left under its name is removed first."""
    _remove([name])
    folder = places.make(_folder(name))
    environment = {"PORT": str(port), **({"NONCE": nonce} if nonce else {})}
    pid = commands.spawn([sys.executable, str(SERVER)], log=folder / "log", environment=environment)
    process = processes.find(pid)
    if process is None:
        raise VmlabError(f"{name} ended immediately")
    files.write_json(folder / "process.json", asdict(process))
    return Copy(name, process)


def find(name: str) -> Copy | None:
    """The copy of this name, if there is one on record."""
    found = files.read_json(_folder(name) / "process.json")
    return Copy(name, processes.Process(**found)) if found else None


def _found(instance: dict[str, Any]) -> Copy:
    if (copy := find(instance["name"])) is None:
        raise VmlabError(f"{instance['name']} is not running")
    return copy


def _ended(copy: Copy) -> bool:
    return commands.ended(copy.process.pid) is not None or not copy.process.lives()


def _remove(names: list[str]) -> None:
    for name in names:
        if copy := find(name):
            destroy(copy)


def _folder(name: str) -> Path:
    return places.run() / "plain" / name
