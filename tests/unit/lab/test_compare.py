"""The comparison: its promised form, its numbers, and what its verdict claims."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from lab.analysis.comparison import compare
from lab.measuring.runs import RunData, StackFacts, load
from lab.measuring.samples import Sample
from machine.errors import VmlabError
from tests.unit.lab.example import ARTIFACT, HOST, LIMITS, MISSING, boot, facts, run_of, writer


def test_the_form_of_the_comparison(tmp_path: Path) -> None:
    """Every member that other programs rely on is there, and nothing else."""
    run = writer(tmp_path)
    run.set_stack("kubernetes", MISSING)
    for stack in ("process", "docker"):
        run.set_stack(stack, facts(stack))
        for block in range(8):
            boot(run, stack, block)
    run.finish()

    comparison = compare([load(run.run, tmp_path)])

    assert list(comparison) == ["schema", "run", "accelerator", "verdict", "host", "substrates"]
    assert (comparison["run"], comparison["host"]) == (run.run, HOST)
    assert comparison["substrates"]["kubernetes"] == MISSING
    docker: Any = comparison["substrates"]["docker"]
    assert list(docker) == [
        "available",
        "accelerator",
        "not_comparable",
        "conditions",
        "artifact",
        "limits",
        "metrics",
        "phases_seconds",
        "boot_checks_seconds",
    ]
    assert (docker["artifact"], docker["limits"]) == (ARTIFACT, LIMITS)
    assert docker["metrics"]["boot_seconds"] == {
        "median": pytest.approx(0.257),
        "ci95": pytest.approx([0.257, 0.257]),
        "n": 8,
        "unit": "s",
        "ratio_to_process": {
            "median": pytest.approx(0.257 / 0.014),
            "ci95": pytest.approx([0.257 / 0.014] * 2),
        },
    }
    assert list(docker["phases_seconds"]) == ["accepted", "sandboxed", "service", "listening", "answered"]
    assert comparison["substrates"]["process"]["metrics"]["boot_seconds"]["ratio_to_process"] is None


def test_few_boots_have_no_interval(tmp_path: Path) -> None:
    """Below 6 values there are medians and ratios, and no interval is made up."""
    comparison = compare([run_of(tmp_path, "process", "docker", blocks=5)])

    found = comparison["substrates"]["docker"]["metrics"]["boot_seconds"]
    assert found["ci95"] is None
    assert found["ratio_to_process"]
    assert found["ratio_to_process"]["ci95"] is None
    assert "too few boots for an interval" in comparison["verdict"]


def test_what_no_phase_explains_is_a_phase(tmp_path: Path) -> None:
    """The rest is named when it is more than a tenth of a millisecond, above zero or below."""
    for rest, named in ((0.003, True), (-0.003, True), (0.00005, False)):
        run = writer(tmp_path)
        run.set_stack("docker", facts("docker"))
        for block in range(6):
            boot(run, "docker", block, rest=rest)
        phases = compare([load(run.run, tmp_path)])["substrates"]["docker"]["phases_seconds"]

        assert ("unattributed" in phases) is named
        if named:
            assert phases["unattributed"] == pytest.approx(rest)


def test_failed_boots_are_counted_and_never_averaged(tmp_path: Path) -> None:
    """A boot that timed out adds to the count of failures and to no median, not even with samples it left behind."""
    run = writer(tmp_path)
    run.set_stack("docker", facts("docker"))
    for block in range(7):
        boot(run, "docker", block)
    boot(run, "docker", 7, factor=100)
    run.add(Sample("boot_failed", 1, "boots", {"stack": "docker", "block": 7, "boot": "docker-7"}))

    comparison = compare([load(run.run, tmp_path)])

    metrics = comparison["substrates"]["docker"]["metrics"]
    assert metrics["boot_failed"] == {
        "median": None,
        "ci95": None,
        "n": 1,
        "unit": "boots",
        "ratio_to_process": None,
    }
    assert metrics["boot_seconds"]["n"] == 7
    assert metrics["boot_seconds"]["median"] == pytest.approx(0.257)
    assert "1 boot of docker never gave a valid answer" in comparison["verdict"]
    assert "The run was ended early" in comparison["verdict"]


def test_the_verdict_says_what_the_numbers_say(tmp_path: Path) -> None:
    """A newcomer reads how many times as long, and in brackets how sure that is."""
    verdict = compare([run_of(tmp_path, "process", "docker")])["verdict"]

    assert verdict.startswith("A bare process gives its first answer after ")
    assert "; a container takes 1" in verdict
    assert " times (1" in verdict
    assert "One copy uses this much memory (PSS): " in verdict


def test_where_the_interval_holds_1_no_difference_is_claimed(tmp_path: Path) -> None:
    """Two stacks of the same speed are not told apart."""
    run = writer(tmp_path)
    for stack in ("process", "other"):
        run.set_stack(stack, facts(stack))
        for block in range(10):
            value = 0.01 + ((block * 7 if stack == "process" else block * 3) % 10) / 1000
            run.add(
                Sample(
                    "boot_seconds", value, "s", {"stack": stack, "block": block, "boot": f"{stack}{block}"}
                )
            )
    run.finish()

    verdict = compare([load(run.run, tmp_path)])["verdict"]

    assert "for the stack other no difference could be shown (1.00 times, 0." in verdict


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"artifact": "sha256:" + "0" * 64},
            "Not the same bytes: do not compare (artifact: process sha256:ab12",
        ),
        (
            {"limits": {**LIMITS, "cpus": 2}},
            "Not the same limits: do not compare (cpus: process 1, docker 2)",
        ),
        ({"limits": {**LIMITS, "memory_bytes": 1024**3}}, "(memory: process 512 MiB, docker 1024 MiB)"),
        ({"artifact": ""}, "The bytes that docker ran could not be read back"),
    ],
)
def test_unequal_stacks_are_not_compared(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    """Other bytes or other limits come before any claim."""
    run = run_of(tmp_path, "process", "docker")
    run.stacks["docker"] |= cast(StackFacts, changes)

    verdict = compare([run])["verdict"]

    assert words in verdict
    assert ("as long" in verdict) is (changes == {"artifact": ""})


def test_limits_that_are_equal_or_not_enforced_are_no_doubt(tmp_path: Path) -> None:
    """1 and 1.0 are one limit, and a bare process may lack enforcement: that is shown, and no reason to stop."""
    run = run_of(tmp_path, "process", "docker")
    run.stacks["process"] |= {"limits": {**LIMITS, "cpus": 1.0, "enforced": False}}

    assert "do not compare" not in compare([run])["verdict"]


def test_several_runs_are_never_pooled(tmp_path: Path) -> None:
    """A stack in two runs has two rows, each against its own run's process; what one run lacks another may have."""
    first, second = run_of(tmp_path, "process", "docker"), run_of(tmp_path, "process", "docker", seed=2)
    second.stacks["vm"] = MISSING

    found = compare([first, second])["substrates"]

    assert list(found) == [
        f"{stack} @ {run.run}" for stack in ("process", "docker") for run in (first, second)
    ] + ["vm"]
    for run in (first, second):
        own = compare([run])["substrates"]["docker"]
        assert found[f"docker @ {run.run}"]["metrics"] == own["metrics"]


def _without_process(tmp_path: Path, **facts_of_vm: Any) -> tuple[RunData, RunData]:
    base, other = run_of(tmp_path, "process"), run_of(tmp_path, "vm")
    other.stacks["vm"] |= cast(StackFacts, facts_of_vm)
    return base, other


def test_a_base_of_another_run_counts_on_the_same_machine_only(tmp_path: Path) -> None:
    """A ratio across runs needs one machine, and one accelerator."""
    base, other = _without_process(tmp_path)
    assert compare([base, other])["substrates"]["vm"]["metrics"]["boot_seconds"]["ratio_to_process"]

    base.stacks["process"]["conditions"] = {"accelerator": "kvm"}
    assert compare([base, other])["substrates"]["vm"]["metrics"]["boot_seconds"]["ratio_to_process"] is None

    base, other = _without_process(tmp_path)
    other.host["cpu"] = "Another CPU"
    elsewhere = compare([base, other])
    assert elsewhere["substrates"]["vm"]["metrics"]["boot_seconds"]["ratio_to_process"] is None
    assert elsewhere["verdict"].startswith("Not measured on one machine: do not compare.")
    assert "as long" not in elsewhere["verdict"]


def test_nothing_measured_is_said(tmp_path: Path) -> None:
    """A run without measurements states that, and one without a bare process states why there are no ratios."""
    run = writer(tmp_path)
    run.set_stack("docker", MISSING)
    run.finish()

    assert compare([load(run.run, tmp_path)])["verdict"] == "Nothing could be measured."
    assert "without a bare process" in compare([run_of(tmp_path, "docker")])["verdict"]
    assert compare([])["substrates"] == {}


def test_a_base_of_0_makes_no_ratio(tmp_path: Path) -> None:
    """An idle process that used no CPU at all divides nothing."""
    run = writer(tmp_path)
    for stack, value in (("process", 0.0), ("docker", 0.1)):
        run.set_stack(stack, facts(stack))
        run.add(Sample("cpu_idle_ratio", value, "1", {"stack": stack}))

    metrics = compare([load(run.run, tmp_path)])["substrates"]["docker"]["metrics"]
    assert metrics["cpu_idle_ratio"]["ratio_to_process"] is None


def test_a_metric_has_one_unit(tmp_path: Path) -> None:
    """Seconds and milliseconds are never averaged."""
    run = writer(tmp_path)
    for unit in ("s", "ms"):
        run.add(Sample("boot_seconds", 1, unit, {"stack": "docker"}))

    with pytest.raises(VmlabError, match="has the units"):
        compare([load(run.run, tmp_path)])
