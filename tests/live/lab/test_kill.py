"""kill -9 of `vmlab run` at seeded random moments, then `vmlab gc`: the census equals the one before.

Only the lab's own process is killed, as the kernel would when memory runs out; an engine that it started lives on and ends
its work, or is ended by `gc`'s next destroy. Moments are spread over the whole run, so that each phase is met.
VMLAB_KILL_SEED repeats a run. Left out: killing the engine, which `tests/live/whole` does.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest
from docker import APIClient

from tests.conftest import repetitions
from tests.live.lab import laboratory
from tests.live.lab.laboratory import Laboratory

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
MOMENTS = repetitions(full=20, sample=6)
SEED = int(os.environ.get("VMLAB_KILL_SEED") or time.time_ns() % 1_000_000)
_whole: list[float] = []


@pytest.fixture
def whole_seconds(module_lab: Laboratory) -> float:
    """How long one undisturbed run of one block takes; measured once."""
    if not _whole:
        start = time.monotonic()
        done = module_lab.run("run", "--quick", "process", "docker", VMLAB_BLOCKS="1")
        assert done.returncode == 0, done.stderr
        _whole.append(time.monotonic() - start)
    return _whole[0]


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_run(
    module_lab: Laboratory,
    prepared: APIClient,
    whole_seconds: float,
    moment: int,
    record_property: Callable[[str, object], None],
) -> None:
    """After kill -9 of the run and one `gc` nothing of it is left."""
    before = laboratory.take(prepared, module_lab)
    seconds = random.Random(SEED + moment).uniform(moment, moment + 1) / MOMENTS * whole_seconds
    record_property("moment", f"seed {SEED}, moment {moment}: {seconds:.3f} s of {whole_seconds:.3f} s")

    run = module_lab.start("run", "--quick", "process", "docker", VMLAB_BLOCKS="1")
    time.sleep(seconds)
    run.kill()
    run.wait()
    swept = module_lab.run("gc")

    assert swept.returncode == 0, swept.stderr
    assert laboratory.settled(prepared, module_lab, before) == []
