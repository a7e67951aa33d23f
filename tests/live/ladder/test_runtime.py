"""A runtime alone, for real: what a copy is held to, and that one whose lab was killed while runc was at it leaves nothing."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from machine import cgroups, processes
from substrates import oci
from substrates.contract import Request, Slot
from substrates.copies.records import MARK
from substrates.inputs import artifact
from tests.live.conftest import missing
from tests.live.lab.laboratory import Laboratory
from tests.live.namespaces import traces

pytestmark = [pytest.mark.live, pytest.mark.timeout(280)]
SLOT, MEMORY = Slot(93, 18293), 512 * 1024**2


@pytest.fixture(autouse=True)
def _installed() -> None:
    if os.geteuid() != 0:
        missing("copies of a runtime belong to root")
    if shutil.which("runc") is None:
        missing("no runc; install it with: apt-get install runc")


def until(happened: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for something; AssertionError says what did not come."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.002)


def limit(name: str) -> str:
    """What the kernel holds the memory of a cgroup to."""
    files = (cgroups.FOLDER / "memory" / name / "memory.limit_in_bytes", cgroups.FOLDER / name / "memory.max")
    return next(file.read_text().strip() for file in files if file.exists())


def starting(lab: Laboratory) -> list[str]:
    """The runtimes that are at work for this lab."""
    return [process for process in traces.processes(lab.home) if process.endswith(" runc")]


@pytest.mark.parametrize("variant", ["null", "service"])
def test_a_copy_lives_and_goes(lab: Laboratory, monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    """It answers with its nonce, without privileges, filtered, in a cgroup of its own; then there is nothing (the census)."""
    monkeypatch.setenv("VMLAB_HOME", str(lab.home))
    made = oci.definition("runc", artifact.load(), variant, 1.0, MEMORY)

    boot = oci.boot(made, SLOT, Request("/", secrets.token_hex(8), echoed=True))
    (main,) = processes.by_environment(MARK, str(lab.home / "run" / "oci" / "runc" / SLOT.name))
    rows = Path(f"/proc/{main.pid}/status").read_text().splitlines()
    facts = {name: value.strip() for name, _, value in (row.partition(":") for row in rows)}
    listed, held = oci.everything_labelled(), limit(oci._group(boot.copy))
    oci.destroy(boot.copy)

    assert (facts["CapEff"], facts["NoNewPrivs"], facts["Seccomp"]) == ("0" * 16, "1", "2")
    assert facts["NSpid"].split()[1:] == ["1"]
    assert listed == [f"runc {SLOT.name}"]
    assert held == str(MEMORY)
    assert not main.lives()
    assert oci.everything_labelled() == []
    oci.remove_copies()
    assert not (lab.home / "run" / "oci").exists()


@pytest.mark.parametrize("milliseconds", [0, 10, 25, 50])
def test_ladder_killed_while_runc_starts(lab: Laboratory, milliseconds: int) -> None:
    """The runtime ends with the ladder, and what it had made by then is swept by one `gc` (the census of the lab)."""
    started = lab.start("ladder", "--quick", "--seed", "7")
    until(lambda: starting(lab), 120, "the ladder has not come to runc")
    time.sleep(milliseconds / 1000)
    started.kill()
    started.wait(10)

    until(lambda: not starting(lab), 1, "runc outlives the ladder")
    swept = lab.run("gc")

    assert swept.returncode == 0, swept.stderr
    assert traces.processes(lab.home) == []
