"""What a comparison states of guests beyond their boot: what comes before the service, and their own account of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.analysis.comparison import compare
from lab.measuring.runs import load
from lab.measuring.samples import Sample
from lab.output import report
from tests.unit.lab.example import boot, facts, run_of, writer


def test_what_comes_before_the_service_is_said(tmp_path: Path) -> None:
    """The verdict has a guest's and the process's time to the service's own first line: the phases up to it, summed."""
    comparison = compare([run_of(tmp_path, "process", "vm")])
    found = re.search(
        r"The service's first line runs after (\S+) s in a virtual machine, (\S+) ms in a bare",
        comparison["verdict"],
    )

    phases = comparison["substrates"]["vm"]["phases_seconds"]
    until = sum(phases[name] for name in ("accepted", "kernel", "init", "service"))
    assert found is not None, comparison["verdict"]
    assert float(found[1]) == pytest.approx(until, rel=0.01)
    assert float(found[2]) == pytest.approx(8, rel=0.2)


def test_without_a_guest_nothing_is_said_of_it(tmp_path: Path) -> None:
    """A process and a container share the host's kernel: there is no such sentence."""
    assert "first line runs" not in compare([run_of(tmp_path, "process", "docker")])["verdict"]


def test_systemds_own_account_is_kept_apart(tmp_path: Path) -> None:
    """Its parts have a median each, are no metric of their own, and the report shows them."""
    run = writer(tmp_path)
    run.set_stack("vm", facts("vm"))
    for block, kernel in enumerate((1.5, 1.7, 1.9)):
        boot(run, "vm", block)
        for part, seconds in (("kernel", kernel), ("userspace", 3.0)):
            run.add(
                Sample(
                    "boot_check_seconds",
                    seconds,
                    "s",
                    {"stack": "vm", "block": block, "boot": f"vm-{block}", "part": part},
                )
            )
    run.finish()
    read = load(run.run, tmp_path)
    comparison = compare([read])
    vm = comparison["substrates"]["vm"]

    assert vm["boot_checks_seconds"] == {"kernel": 1.7, "userspace": 3.0}
    assert "boot_check_seconds" not in vm["metrics"]
    assert "own account of vm (tcg)" in report.render(comparison, read)
