"""What the VM tests ask of the real libvirt: guests, and a census of everything that a guest may leave on this machine.

The lab is that of `tests/live/lab`: a folder of its own, the machine's cache. Names of domains follow from the stack, so
these tests and somebody's own `vmlab up vm` cannot use one libvirtd at the same time.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clients.libvirt import domains
from lab.deploying.engines import ROOT
from tests.live import census
from tests.live.lab.laboratory import Laboratory

PROGRAMS = ("qemu-system-x86_64", "qemu-img", "dnsmasq")
SETTLE_SECONDS = 8.0
FOREIGN = re.compile(
    "vmlab-t[0-9a-f]{10}-|vmlab-sandbox"
)  # guests of tests/live/libvirt_provider and tests/live/host


def rows(lab: Laboratory) -> census.Rows:
    """What a guest of the lab may leave: of libvirt, of the network, of the lab's folder, and processes."""
    return {
        **census.of_libvirt(counts),
        "links": lambda: (path.name for path in Path("/sys/class/net").glob("vl-*")),
        "taps": lambda: [
            *(path.name for path in Path("/sys/class/net").glob("vl-*/brif/*")),
            *census.orphaned_taps(),
        ],
        "neighbours": lambda: (
            row for row in output("ip", "neigh", "show", "nud", "permanent").splitlines() if "dev vl-" in row
        ),
        "guests": lambda: (f"{pid} {words[:80]}" for pid, words in guests().items() if _is_of(lab, words)),
        "disks": lambda: (str(path) for path in (lab.home / "pools").rglob("*") if path.name != "copies"),
        **census.of_folders(consoles=(lab.home / "run", "**/console*")),
        **census.of_processes(lab.processes),
        **census.of_states(lab.home / "state"),
    }


def take(lab: Laboratory) -> census.Census:
    """Everything there is now."""
    return census.take(rows(lab))


def settled(lab: Laboratory, before: census.Census) -> list[str]:
    """What differs from `before`, in words, once things have come to rest."""
    found = census.settled(rows(lab), before, SETTLE_SECONDS)
    return [
        line for line in found if not line.startswith("gone: taps")
    ]  # another group's, which was on its way out


def counts(name: str) -> bool:
    """Whether a name or path is not another group's of the tests that run beside these."""
    return FOREIGN.search(name) is None


def _is_of(lab: Laboratory, words: str) -> bool:
    return ("guest=vmlab-" in words and counts(words)) or str(lab.home) in words


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
