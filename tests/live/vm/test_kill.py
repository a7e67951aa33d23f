"""kill -9 of what a running guest lives from: of its QEMU, and of libvirtd. `refresh` is true, `up` repairs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.deploying.engines import ROOT
from tests.live.lab.laboratory import Laboratory
from tests.live.vm import machine
from tests.live.vm.machine import answer, good, outputs

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]


def test_killed_qemu(lab: Laboratory, either: str) -> None:
    """The preview still sees a guest, `refresh` learns that it does not run, and `up` starts it with its data."""
    url = outputs(lab, either)["url"]
    visits = answer(url, "/visits", "POST")["visits"]
    before = answer(url)["boot_id"]
    os.kill(machine.domain_of(lab, either).pid, signal.SIGKILL)
    machine.until(
        lambda: not machine.domain_of(lab, either).running, 10, "libvirt still has the guest running"
    )

    refreshed = good(lab.run("refresh", either))
    again = lab.run("preview", either, "--expect-no-changes")
    repaired = good(lab.run("up", either, "--skip-preview"))

    assert "1 updated" in refreshed.stdout + refreshed.stderr, refreshed.stdout + refreshed.stderr
    assert again.returncode != 0, "after the refresh there is something to repair"
    assert "1 updated" in repaired.stdout, repaired.stdout
    assert answer(url)["boot_id"] != before
    assert answer(url, "/visits")["visits"] == visits
    good(lab.run("up", either, "--expect-no-changes"))


def test_killed_libvirtd(lab: Laboratory, slim: str) -> None:
    """The guest runs on; once `vmlab host up libvirt` has started another libvirtd nothing has changed, and it obeys it."""
    url = outputs(lab, slim)["url"]
    before, guest = answer(url)["boot_id"], machine.domain_of(lab, slim)
    for pid in _libvirtds():
        os.kill(pid, signal.SIGKILL)
    machine.until(lambda: not _libvirtds(), 10, "libvirtd does not die")

    assert answer(url)["boot_id"] == before
    _host_up_libvirt()
    good(lab.run("refresh", slim, "--expect-no-changes"))
    good(lab.run("up", slim, "--expect-no-changes"))

    assert answer(url)["boot_id"] == before
    after = machine.domain_of(lab, slim)
    assert (after.pid, after.running, after.spec) == (guest.pid, True, guest.spec)


def _libvirtds() -> list[int]:
    """Living ones of this machine."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if Path(words[0].decode(errors="replace")).name == "libvirtd":
            found.append(int(entry.name))
    return found


def _host_up_libvirt() -> None:
    """As a user would, of this machine and not of the test's lab: it outlives the test."""
    environment = {name: value for name, value in os.environ.items() if name != "VMLAB_HOME"}
    command = [sys.executable, "-m", "lab", "host", "up", "libvirt", "--yes"]
    good(subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False))
