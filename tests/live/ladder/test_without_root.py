"""`vmlab ladder` as a user without any rights: every rung that needs no root is climbed, each as a step of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from substrates import rungs
from substrates.boundaries import program
from substrates.inputs import artifact
from substrates.rungs import launcher, roots
from tests.live.lab.laboratory import Laboratory

pytestmark = [pytest.mark.live, pytest.mark.timeout(280)]
NOBODY = 54321
# Not subprocess's own `user`: setpriv keeps what it may read until it executes, so that an interpreter below /root can be, too.
AS_NOBODY = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--")
ROOT_ONLY = ("network", "limits")
CLIMBED = ["fork+exec", "user", *(name for name in rungs.NAMES if name not in (*ROOT_ONLY, "user"))]


@pytest.fixture
def theirs(lab: Laboratory) -> Laboratory:
    """A lab of that user's; what they could not write into this machine's cache is in it."""
    launcher.program()
    program.program()
    roots.of_null(artifact.load())
    for path in (lab.home, lab.home / "tmp"):
        os.chown(path, NOBODY, NOBODY)
    return lab


def test_one_step_a_rung(theirs: Laboratory) -> None:
    """`user` comes first, then one rung more a row, with what it adds to the row above; what needs root says so."""
    done = subprocess.run(
        [*AS_NOBODY, sys.executable, "-m", "lab", "ladder", "--quick", "--seed", "7", "--json"],
        cwd=theirs.project,
        env=theirs.environment(VMLAB_BLOCKS="1", HOME=str(theirs.home)),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)

    for variant in ("null", "service"):
        rows = [row for row in found["rungs"] if row["variant"] == variant]
        assert [row["rung"] for row in rows] == CLIMBED
        assert [row["adds"] for row in rows] == ["", *CLIMBED[1:]]
        assert all(row["boot_seconds"]["median"] > 0 for row in rows)
        assert [row["added_seconds"] is None for row in rows] == [True] + [False] * (len(rows) - 1)
    gaps = {gap["rung"]: gap["reason"] for gap in found["not_measured"]}
    assert {"runc alone", "docker, host network", "vm", *ROOT_ONLY} <= gaps.keys()
    assert all("needs root" in gaps[name] for name in ROOT_ONLY)
    given = {row["rung"]: " ".join(row["changes"]) for row in found["rungs"] if row["variant"] == "service"}
    assert "users own" in given["user"]
    assert "mounts own" in given["mount"]
