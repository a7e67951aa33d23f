"""`vmlab ladder` and `vmlab boundaries` as commands, on the real machine, with as few boots as show the shape."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from substrates import rungs
from tests.live.lab.laboratory import Laboratory

pytestmark = [pytest.mark.live, pytest.mark.timeout(280)]
OWN = ["fork+exec", *rungs.NAMES[:-1], "all"]


@pytest.fixture(scope="module")
def climbed(module_lab: Laboratory) -> dict[str, Any]:
    """One block of the ladder."""
    done = module_lab.run("ladder", "--quick", "--seed", "7", "--json", VMLAB_BLOCKS="1")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_prefix_is_measured_in_order(climbed: dict[str, Any]) -> None:
    """Both variants have a row for every prefix of the rungs, from `fork+exec` to `all`, with a time above 0."""
    for variant in ("null", "service"):
        rows = [row for row in climbed["rungs"] if row["variant"] == variant]
        assert [row["rung"] for row in rows[: len(OWN)]] == OWN
        assert all(row["boot_seconds"]["median"] > 0 for row in rows)
        assert all(row["boot_seconds"]["n"] == 1 for row in rows)
    assert climbed["seed"] == 7


def test_what_cannot_be_measured_says_why(climbed: dict[str, Any]) -> None:
    """A substrate that is not up, or cannot run here, has a reason; none is missing from both lists."""
    told = {row["rung"] for row in climbed["rungs"]} | {gap["rung"] for gap in climbed["not_measured"]}
    assert {"runc alone", "crun alone", "docker, host network", "docker, bridge network", "vm"} <= told
    assert all(gap["reason"] for gap in climbed["not_measured"])


def test_what_is_here_is_measured(climbed: dict[str, Any]) -> None:
    """Docker on both networks, and a runtime that is installed, have times in both variants; a gap would hide a defect."""
    names = [f"docker, {network} network" for network in ("host", "bridge")]
    names += ["runc alone"] if shutil.which("runc") else []
    measured = {(row["rung"], row["variant"]) for row in climbed["rungs"]}
    assert {(name, variant) for name in names for variant in ("null", "service")} - measured == set()


def test_rungs_tell_what_they_give(climbed: dict[str, Any]) -> None:
    """Seen from inside, each namespace's rung turns its boundary from shared to own, and the filter refuses calls."""
    changes = {
        row["rung"]: " ".join(row["changes"]) for row in climbed["rungs"] if row["variant"] == "service"
    }
    for rung, boundary in (("mount", "mounts own"), ("pid", "processes own"), ("uts", "host name own"),
                           ("user", "users own"), ("network", "network own"), ("seccomp", "system calls refused")):  # fmt: skip
        assert boundary in changes[rung], rung


def test_samples_are_the_truth(climbed: dict[str, Any], module_lab: Laboratory) -> None:
    """Every boot is a line in the run's folder, beside a page that loads nothing from elsewhere."""
    folder = module_lab.home / "runs" / "ladder" / climbed["run"]
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    boots = [line for line in lines if line["metric"] == "boot_seconds"]
    assert len([line for line in boots if line["dimensions"]["rung"] == "all"]) == 2 * 5
    page = (folder / "ladder.html").read_text()
    assert "<svg" in page
    assert "<script" not in page
    assert "src=" not in page


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("ladder", "--seed", "-1"), "-1"),
        (("ladder", "--seed", "x"), "x"),
        (("boundaries", "nosuch"), "nosuch"),
    ],
)
def test_bad_input(lab: Laboratory, arguments: tuple[str, ...], word: str) -> None:
    """Wrong use is one clear line and exit code 2, before anything is made."""
    done = lab.run(*arguments)
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1
    assert word in errors[0]
    assert not (lab.home / "runs").exists()


def test_interrupt_keeps_samples_and_leaves_nothing(lab: Laboratory) -> None:
    """Ctrl-C in the middle ends within seconds, keeps what was measured, and no copy stays (the census of the lab)."""
    started = lab.start("ladder", "--quick")
    samples = _await_samples(lab.home / "runs" / "ladder", 20)
    started.send_signal(signal.SIGINT)
    assert started.wait(60) == 1, (lab.home / "log").read_text()
    assert len(samples.read_text().splitlines()) >= 20
    left = [
        path for kind in ("namespaces", "oci/runc") for path in (lab.home / "run" / kind).glob("vmlab-boot-*")
    ]
    assert left == []


def test_killed_ladder_is_swept(lab: Laboratory) -> None:
    """After kill -9 in the middle, one `gc` finds what is left, images that were pulled for it too (the census of the lab)."""
    started = lab.start("ladder", "--quick")
    _await_samples(lab.home / "runs" / "ladder", 20)
    started.kill()
    started.wait(10)

    swept = lab.run("gc")

    assert swept.returncode == 0, swept.stderr
    assert "docker: image 127.0.0.1:5000/vmlab/null" in swept.stdout


def _await_samples(folder: Path, count: int) -> Path:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for file in folder.glob("*/samples.jsonl"):
            if len(file.read_text().splitlines()) >= count:
                return file
        time.sleep(0.05)
    raise AssertionError("the ladder has written no samples")
