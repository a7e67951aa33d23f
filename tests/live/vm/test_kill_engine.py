"""kill -9 of the engine in mid-create, and of a measurement in mid-boot: then `up` or `destroy`, or `gc`, leaves nothing.

Moments are drawn in equal parts of the time that an `up` takes; VMLAB_KILL_SEED repeats them.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.libvirt import connection, domains
from tests.conftest import repetitions
from tests.live.lab.laboratory import Laboratory
from tests.live.vm import machine
from tests.live.vm.machine import answer, good, outputs

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]
MOMENTS = repetitions(full=6, sample=3)
SEED = int(os.environ.get("VMLAB_KILL_SEED") or time.time_ns() % 1_000_000)
Record = Callable[[str, object], None]
_up_seconds: list[float] = []


@pytest.fixture
def up_seconds(lab: Laboratory) -> float:
    """How long an undisturbed `up` of vm-slim takes here and now; measured once."""
    if not _up_seconds:
        start = time.monotonic()
        good(lab.run("up", "vm-slim", "--skip-preview"))
        _up_seconds.append(time.monotonic() - start)
        good(lab.run("destroy", "vm-slim", "--skip-preview"))
    return _up_seconds[0]


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_engine(lab: Laboratory, up_seconds: float, moment: int, record_property: Record) -> None:
    """After kill -9 in the middle of creating, `up` completes it and then `destroy` leaves nothing, or `destroy` does alone."""
    before = machine.take(lab)
    order = random.Random(SEED + moment)
    seconds = order.uniform(moment, moment + 1) / MOMENTS * up_seconds
    mended = order.random() < 0.5
    said = f"seed {SEED}, moment {moment}: {seconds:.3f} s of {up_seconds:.3f} s, then {'up' if mended else 'destroy'}"
    record_property("moment", said)
    print(said)  # noqa: T201 - shown when the test fails

    run = lab.start("up", "vm-slim", "--skip-preview")
    time.sleep(seconds)
    run.kill()
    run.wait()
    if mended:
        good(lab.run("up", "vm-slim", "--skip-preview"))
        assert answer(outputs(lab, "vm-slim")["url"])["host"] == "vm-slim"
        good(lab.run("up", "vm-slim", "--expect-no-changes"))
    _destroyed(lab)

    assert machine.settled(lab, before) == [], said


def _destroyed(lab: Laboratory) -> None:
    """Destroy what there is of the stack; one that was killed before it wrote anything has no state and perhaps a lock."""
    done = lab.run("destroy", "vm-slim", "--skip-preview")
    if done.returncode and "no stack" not in done.stderr and "lock" in done.stderr:
        lab.run("cancel", "vm-slim")
        done = lab.run("destroy", "vm-slim", "--skip-preview")
    assert done.returncode == 0 or "no stack" in done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("phase", ["QEMU runs", "the guest speaks"])
def test_killed_measurement(fresh: Laboratory, phase: str) -> None:
    """After kill -9 of `vmlab measure` in the middle of a boot one `gc` leaves neither copy nor stack."""
    before = machine.take(fresh)
    good(fresh.run("up", "vm-slim", "--skip-preview"))
    run = fresh.start("measure", "vm-slim", "--quick")
    console = fresh.home / "pools" / "copies"
    machine.until(
        lambda: _has_come(console, phase), 60, f"{phase} did not come:\n{(fresh.home / 'log').read_text()}"
    )
    run.kill()
    run.wait()
    assert [name for name, _ in domains.labelled(("boot/",))] != []

    good(fresh.run("gc"))

    assert machine.settled(fresh, before) == []


def _has_come(copies: Path, phase: str) -> bool:
    if phase == "QEMU runs":
        return any(domain.name().startswith("vmlab-boot-") for domain in connection.open().listAllDomains())
    return any(b"vmlab-guest init" in path.read_bytes() for path in copies.glob("*/console"))
