"""What the VM tests ask of the real libvirt: guests, and a census of everything that a guest may leave on this machine.

The lab is that of `tests/live/lab`: a folder of its own, the machine's cache. Names of domains follow from the stack, so
these tests and somebody's own `vmlab up vm` cannot use one libvirtd at the same time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clients.libvirt import connection, domains
from lab.deploying.engines import ROOT
from tests.live.lab.laboratory import Laboratory

FOLDERS = (
    "/etc/libvirt/qemu", "/etc/libvirt/storage", "/run/libvirt/qemu", "/run/libvirt/network", "/run/libvirt/storage",
    "/var/lib/libvirt/qemu", "/var/lib/libvirt/dnsmasq", "/var/log/libvirt/qemu",
)  # fmt: skip
PROGRAMS = ("qemu-system-x86_64", "qemu-img", "dnsmasq")
SETTLE_SECONDS = 8.0
Census = dict[str, set[str]]


def take(lab: Laboratory) -> Census:
    """Everything there is now: of libvirt, of the network, of the lab's folder, and processes."""
    api = connection.open()
    state = lab.home / "state"
    return {
        "domains": {domain.name() for domain in api.listAllDomains()},
        "networks": {network.name() for network in api.listAllNetworks()},
        "pools": {pool.name() for pool in api.listAllStoragePools()},
        "links": {path.name for path in Path("/sys/class/net").iterdir()},
        "neighbours": set(output("ip", "neigh", "show", "nud", "permanent").splitlines()),
        "guests": {f"{pid} {words[:80]}" for pid, words in guests().items()},
        "files of libvirt": {
            str(file) for folder in FOLDERS for file in Path(folder).rglob("*") if _counts(file)
        },
        "control groups": {str(path) for path in Path("/sys/fs/cgroup").glob("**/machine/qemu-*")},
        "disks": {str(path) for path in (lab.home / "pools").rglob("*") if path.name != "copies"},
        "consoles": {str(path) for path in (lab.home / "run").rglob("console*")},
        "processes": {f"{pid} {command}" for pid, command in lab.processes().items()},
        "locks": {str(path) for path in state.rglob("*.json") if "locks" in path.parts},
        "torn files": {str(path) for pattern in ("*.tmp", "*.new") for path in state.rglob(pattern)},
    }


def settled(lab: Laboratory, before: Census) -> list[str]:
    """What differs from `before`, in words, once things have come to rest."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (now := take(lab)) != before and time.monotonic() < deadline:
        time.sleep(0.1)
    came = [f"left: {kind}: {item}" for kind in now for item in sorted(now[kind] - before[kind])]
    return came + [f"gone: {kind}: {item}" for kind in now for item in sorted(before[kind] - now[kind])]


def guests() -> dict[int, str]:
    """Processes that belong to guests, by pid."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if Path(words[0].decode(errors="replace")).name in PROGRAMS:
            found[int(entry.name)] = b" ".join(words).decode(errors="replace")
    return found


def domain_of(lab: Laboratory, stack: str) -> domains.Found:
    """The stack's own guest, as libvirt has it."""
    found = domains.find(outputs(lab, stack)["instance"]["name"])
    assert found is not None
    return found


def good(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """The command, if it went well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def outputs(lab: Laboratory, stack: str) -> dict[str, Any]:
    """What a stack exports."""
    found: dict[str, Any] = json.loads(good(lab.run("outputs", stack, "--json")).stdout)
    return found


def answer(url: str, path: str = "/", method: str = "GET") -> dict[str, Any]:
    """What the service says, read."""
    request = urllib.request.Request(f"{url}{path}", method=method)
    with urllib.request.urlopen(request, timeout=10) as said:
        found: dict[str, Any] = json.loads(said.read())
    return found


def output(*command: str) -> str:
    """The output of a command."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def set_secret(lab: Laboratory, stack: str, key: str, value: str) -> None:
    """Put a secret into the stack's configuration; by standard input, so that no command line ever has it."""
    command = [sys.executable, "-m", "lab", "config", "set", "--stack", stack, key, "--secret"]
    good(
        subprocess.run(
            command,
            cwd=lab.project,
            env=lab.environment(),
            input=value,
            capture_output=True,
            text=True,
            check=False,
        )
    )


def configure(lab: Laboratory, stack: str, **members: str) -> None:
    """Put lines into the stack's file, of a copy of the program."""
    assert lab.project != ROOT
    path = lab.project / "stacks" / f"Pulumi.{stack}.yaml"
    lines = [line for line in path.read_text().splitlines() if not _names(line, members)]
    fresh = [f"  vmlab:{key}: {value}" for key, value in members.items()]
    at = lines.index("config:") + 1
    path.write_text("\n".join([*lines[:at], *fresh, *lines[at:], ""]))


def until(happened: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for something; AssertionError says what did not come."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def _names(line: str, members: dict[str, str]) -> bool:
    return any(line.strip().startswith(f"vmlab:{key}:") for key in members)


def _counts(file: Path) -> bool:
    """Not what a daemon keeps for itself, nor the folders that libvirt makes at its first guest and keeps."""
    return file.name not in (
        "driver.pid",
        "autostarted",
        "ram",
        "snapshot",
        "channel",
        "target",
        "save",
        "dump",
    )
