"""`vmlab run --quick` as a user sees it: exit code, the promised JSON, equal bytes and limits, and nothing left over."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections import defaultdict
from typing import Any

import pytest
from docker import APIClient

from lab.deploying.engines import ROOT
from tests.live.lab import laboratory
from tests.live.lab.laboratory import Laboratory

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]
SEED = 4711
STACKS = {"process", "docker"}
LIGHT = ("process", "chroot", "namespaces", "docker")  # guests and pods have tests of their own


def git_status() -> str:
    """What git says of the tracked stack files."""
    command = ["git", "status", "--porcelain", "--", "stacks"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def samples(lab: Laboratory, run: str) -> list[dict[str, Any]]:
    """The raw samples of a run."""
    lines = (lab.home / "runs" / run / "samples.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def visits(lab: Laboratory, stack: str, method: str = "GET") -> int:
    """How many the stack's own service has counted; a POST is one more."""
    url = json.loads(lab.run("outputs", stack, "--json").stdout)["url"]
    request = urllib.request.Request(f"{url}/visits", method=method)
    with urllib.request.urlopen(request, timeout=10) as said:
        return int(json.loads(said.read())["visits"])


def order(found: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Block and stack of each boot in the order in which they were made."""
    boots = [sample["dimensions"] for sample in found if sample["metric"] == "boot_seconds"]
    return [(where["block"], where["stack"]) for where in boots]


@pytest.fixture(scope="module")
def story(module_lab: Laboratory, prepared: APIClient) -> dict[str, Any]:
    """The comparison of one quick run, after which nothing is left."""
    before, tracked = laboratory.take(prepared, module_lab), git_status()
    done = module_lab.run("run", "--quick", "--json", "--seed", str(SEED), "process", "docker")
    assert done.returncode == 0, done.stderr
    assert laboratory.settled(prepared, module_lab, before) == []
    assert git_status() == tracked
    found: dict[str, Any] = json.loads(done.stdout)  # nothing else on standard output
    return found


def test_json_has_the_promised_form(story: dict[str, Any]) -> None:
    """Every member that other programs were promised is there, with its type."""
    assert story.keys() >= {"run", "verdict", "host", "substrates"}
    assert isinstance(story["verdict"], str)
    assert story["host"].keys() >= {"cpu", "cores", "memory_bytes", "kernel"}
    assert story["substrates"].keys() == STACKS
    for substrate in story["substrates"].values():
        assert substrate["available"] is True
        assert isinstance(substrate["conditions"], dict)
        assert substrate["artifact"].startswith("sha256:")
        assert substrate["limits"].keys() >= {"cpus", "memory_bytes", "enforced"}
        metrics = {"boot_seconds", "memory_pss_bytes", "disk_instance_bytes", "disk_image_bytes"}
        more = {"destroy_seconds", "cpu_idle_ratio", "cpu_seconds_per_1000_requests", "pulumi_up_seconds"}
        assert substrate["metrics"].keys() >= metrics | more
        for metric in substrate["metrics"].values():
            assert metric.keys() >= {"median", "ci95", "n", "ratio_to_process"}
        assert substrate["phases_seconds"].keys() >= {"accepted", "service", "listening", "answered"}


def test_boots_are_counted_with_an_interval(story: dict[str, Any]) -> None:
    """Each stack was booted at least six times, and median and interval fit each other."""
    for substrate in story["substrates"].values():
        boot = substrate["metrics"]["boot_seconds"]
        low, high = boot["ci95"]
        assert boot["n"] >= 6
        assert 0 < low <= boot["median"] <= high


def test_container_takes_longer_than_a_bare_process(story: dict[str, Any]) -> None:
    """The ratio is that of the medians, above 1, and the process has none to itself."""
    process, docker = (story["substrates"][name]["metrics"]["boot_seconds"] for name in ("process", "docker"))
    assert process["ratio_to_process"] is None
    assert docker["ratio_to_process"]["median"] == pytest.approx(docker["median"] / process["median"])
    assert docker["ratio_to_process"]["ci95"][0] > 1


def test_same_bytes_and_limits(story: dict[str, Any]) -> None:
    """Artifact and limits as read back are equal; only what nothing can hold is said not to be enforced."""
    process, docker = (story["substrates"][name] for name in ("process", "docker"))
    assert process["artifact"] == docker["artifact"]
    assert process["limits"] == {"cpus": 1, "memory_bytes": 512 * 1024**2, "enforced": False}
    assert docker["limits"] == {"cpus": 1, "memory_bytes": 512 * 1024**2, "enforced": True}


def test_phases_add_up(story: dict[str, Any], module_lab: Laboratory) -> None:
    """Of each boot: the phases are never negative and their sum is the total."""
    totals, phases = {}, defaultdict(list)
    for sample in samples(module_lab, story["run"]):
        if sample["metric"] == "boot_seconds":
            totals[sample["dimensions"]["boot"]] = sample["value"]
        if sample["metric"] == "phase_seconds":
            phases[sample["dimensions"]["boot"]].append(sample["value"])
    assert len(totals) == 12
    assert min(min(found) for found in phases.values()) >= 0
    assert {boot: sum(found) for boot, found in phases.items()} == pytest.approx(totals, abs=1e-9)


def test_seed_is_kept_and_repeats_the_order(
    story: dict[str, Any], module_lab: Laboratory, prepared: APIClient
) -> None:
    """The run's seed is in its facts, and another run with it boots in the same order."""
    facts = json.loads((module_lab.home / "runs" / story["run"] / "run.json").read_text())
    assert (facts["seed"], facts["quick"], facts["finished"]) == (SEED, True, True)
    before = laboratory.take(prepared, module_lab)

    again = module_lab.run(
        "run", "--quick", "--json", "--seed", str(SEED), "process", "docker", VMLAB_BLOCKS="2"
    )

    assert again.returncode == 0, again.stderr
    first = order(samples(module_lab, story["run"]))
    assert order(samples(module_lab, json.loads(again.stdout)["run"])) == first[:4]
    assert laboratory.settled(prepared, module_lab, before) == []


@pytest.mark.parametrize("stack", LIGHT)
def test_second_up_changes_nothing(stack: str, lab: Laboratory) -> None:
    """A second `up` has nothing to do and the service keeps what it was told, what is up can be measured, tracked files stay,
    and `destroy` leaves nothing."""
    tracked = git_status()
    first = lab.run("up", stack, "--skip-preview")
    assert first.returncode == 0, first.stderr
    counted = [visits(lab, stack, "POST") for _ in range(2)]
    again = lab.run("up", stack, "--expect-no-changes")
    kept = visits(lab, stack)
    measured = lab.run("measure", stack, "--quick", "--json", VMLAB_BLOCKS="1")
    suite = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/measure"]
    tests = subprocess.run(
        [*suite, "--stack", stack, "--boots", "2"],
        cwd=ROOT, env=lab.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    gone = lab.run("destroy", stack, "--skip-preview")

    assert again.returncode == 0, again.stdout + again.stderr
    assert (counted, kept) == ([1, 2], 2)
    assert json.loads(measured.stdout)["substrates"].keys() == {stack}
    assert tests.returncode == 0, tests.stdout
    assert f"{stack}: boot" in tests.stdout
    assert gone.returncode == 0, gone.stderr
    assert git_status() == tracked
