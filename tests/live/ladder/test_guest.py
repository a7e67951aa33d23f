"""The ladder and the boundaries with a guest that is up: a row with its conditions, and a kernel of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.lab.laboratory import Laboratory
from tests.live.vm import machine

pytestmark = [pytest.mark.live, pytest.mark.timeout(580)]
STACKS = ("process", "docker", "vm-slim")


@pytest.fixture(scope="module")
def up(libvirt: None, module_lab: Laboratory) -> Iterator[Laboratory]:
    """The three stacks, up."""
    for stack in STACKS:
        machine.good(module_lab.run("up", stack, "--skip-preview"))
    yield module_lab
    for stack in STACKS:
        machine.good(module_lab.run("destroy", stack, "--skip-preview"))


def found(lab: Laboratory, *arguments: str) -> dict[str, Any]:
    """What a command says as JSON."""
    said: dict[str, Any] = json.loads(machine.good(lab.run(*arguments, "--json", VMLAB_BLOCKS="1")).stdout)
    return said


def test_a_guest_is_a_row_and_has_a_kernel_of_its_own(up: Laboratory) -> None:
    """The ladder measures vm-slim and says how it ran; seen from inside only its kernel is its own; each has its costs."""
    climbed = found(up, "ladder", "--quick", "--seed", "7")
    found(up, "measure", "--quick", *STACKS)
    columns = found(up, "boundaries")["substrates"]

    (row,) = [row for row in climbed["rungs"] if row["rung"] == "vm-slim"]
    assert row["conditions"]["accelerator"] in ("kvm", "tcg")
    assert row["boot_seconds"]["median"] > 0
    assert row["ratio_to_fork_exec"]["median"] > 1
    assert row["added_seconds"] is None  # another program, not one rung more
    kernels = {name: columns[name]["boundaries"]["kernel"]["state"] for name in (*STACKS, "all rungs")}
    assert kernels == {"process": "shared", "docker": "shared", "all rungs": "shared", "vm-slim": "own"}
    for stack in STACKS:
        costs = columns[stack]["costs"]
        assert min(costs[key]["median"] for key in ("boot_seconds", "memory_pss_bytes")) > 0
    assert columns["all rungs"]["costs"]["boot_seconds"]["median"] > 0
