"""What a newcomer's first command does: every kind of substrate in one table, without naming any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.deploying import stacks
from machine import places
from tests.live.conftest import missing
from tests.live.lab.laboratory import Laboratory


@pytest.fixture
def kubeconfig(lab: Laboratory) -> Path:
    """This machine's own cluster, shown to the test's lab: a second one would want the same addresses."""
    path = places.run() / "cluster" / "kubeconfig"
    if not path.exists():
        missing("no cluster is up; start it with: vmlab host up kubernetes")
    (lab.home / "run").mkdir(exist_ok=True)
    (lab.home / "run" / "cluster").symlink_to(path.parent)
    return path


def test_one_command_measures_every_kind(lab: Laboratory, kubeconfig: Path) -> None:
    """`vmlab run --quick` measures one stack of each kind; all ran the same bytes with the same limits, and each answered."""
    done = lab.run("run", "--quick", "--json", VMLAB_BLOCKS="1", VMLAB_KUBECONFIG=str(kubeconfig))
    assert done.returncode == 0, done.stderr
    story = json.loads(done.stdout)["substrates"]

    assert list(story) == stacks.chosen([], quick=True)
    assert [name for name, one in story.items() if not one["available"]] == []
    assert {one["metrics"]["boot_seconds"]["n"] for one in story.values()} == {1}
    assert len({one["artifact"] for one in story.values()}) == 1
    assert len({(one["limits"]["cpus"], one["limits"]["memory_bytes"]) for one in story.values()}) == 1
