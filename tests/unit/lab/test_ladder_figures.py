"""The ladder's figures: what a rung adds comes out of noisy blocks, rows keep their order, gaps keep their reason."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, cast

import pytest

from lab.ladder.figures import FILE, Summary, figures, load
from lab.ladder.steps import Missing
from lab.measuring import runs
from lab.measuring.runs import RunData, RunWriter, StackFacts
from lab.measuring.samples import Sample

TRUE_SECONDS = {"fork+exec": 0.002, "mount": 0.0025, "all": 0.0055}
ADDS = {"fork+exec": "", "mount": "mount", "all": "rlimits"}
AFTER = {"mount": "fork+exec", "all": "mount"}


def note(run: RunWriter, rung: str, variant: str, **more: Any) -> None:
    """A step as the verb notes it."""
    facts = {"rung": rung, "variant": variant, "adds": ADDS.get(rung, ""), "after": AFTER.get(rung, "")}
    run.set_stack(f"{rung} ({variant})", cast(StackFacts, {"available": True, **facts, **more}))


def boot(run: RunWriter, rung: str, variant: str, block: int, seconds: float) -> None:
    """One boot."""
    dimensions: dict[str, str | int] = {
        "stack": f"{rung} ({variant})",
        "rung": rung,
        "variant": variant,
        "block": block,
    }
    run.add(Sample("boot_seconds", seconds, "s", dimensions))


def ladder(root: Path, blocks: int = 12, repeats: int = 3) -> RunData:
    """Steps of known times on a machine that is now and then ten times as slow for a whole block."""
    run, chance = runs.create(root=root, seed=3, host={"cpu": "Example"}), random.Random(3)
    for variant in ("null", "service"):
        for rung in TRUE_SECONDS:
            note(run, rung, variant, describes=f"what {rung} is")
    for block in range(blocks):
        slow = 0.05 * (block % 4 == 0)
        for variant in ("null", "service"):
            for rung, seconds in TRUE_SECONDS.items():
                for _ in range(repeats):
                    boot(run, rung, variant, block, seconds + slow + chance.uniform(0, 0.00005))
    gap: StackFacts = {
        "available": False,
        "rung": "vm",
        "variant": "service",
        "adds": "",
        "reason": "not up",
        "fix": "vmlab up vm",
    }
    run.set_stack("vm (service)", gap)
    run.finish()
    return runs.load(run.run, root)


def test_what_a_rung_adds_is_found_in_slow_blocks(tmp_path: Path) -> None:
    """Differences are taken within blocks, so that a slow one cancels out, and the interval holds the truth."""
    rows = {row.rung: row for row in figures(ladder(tmp_path)).of("null")}
    for rung, truth in (("mount", 0.0005), ("all", 0.003)):
        added = rows[rung].added_seconds
        assert added is not None
        assert added.ci95 is not None
        low, high = added.ci95
        assert added.median == pytest.approx(truth, abs=0.00005)
        assert low <= truth + 0.00005
        assert high >= truth - 0.00005
        assert high - low < 0.0002


def test_rows_have_the_ladders_order_and_shape(tmp_path: Path) -> None:
    """First `fork+exec`, the last of our own `all`, each with median, interval and number of blocks; the gap is told."""
    found = figures(ladder(tmp_path))
    assert [row.rung for row in found.of("service")] == list(TRUE_SECONDS)
    assert found.rungs[0].rung == "fork+exec"
    assert {row.boot_seconds.n for row in found.rungs} == {12}
    assert found.rungs[0].added_seconds is None
    assert found.not_measured == [Missing("vm", "service", "not up", "vmlab up vm")]


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    """What `--json` prints is read again; unknown members are ignored; a file without the members is as good as none."""
    found = figures(ladder(tmp_path))
    written = json.loads(found.json())
    (tmp_path / FILE).write_text(found.json())

    assert set(written["rungs"][0]["boot_seconds"]) == {"median", "ci95", "n"}
    assert load(tmp_path) is not None
    assert json.loads(load(tmp_path).json()) == written  # type: ignore[union-attr]
    newer = {**written, "rungs": [{**row, "more": 1} for row in written["rungs"]]}
    (tmp_path / FILE).write_text(json.dumps(newer))
    assert load(tmp_path) is not None
    (tmp_path / FILE).write_text('{"rungs": [{}], "not_measured": []}')
    assert load(tmp_path) is None


def test_one_value_a_block_whatever_is_repeated(tmp_path: Path) -> None:
    """A block counts with the median of its boots: one that took a second among three does not move it."""
    run = runs.create(root=tmp_path, seed=1, host={})
    note(run, "fork+exec", "null")
    for block in range(6):
        for seconds in (0.002, 1.0, 0.002):
            boot(run, "fork+exec", "null", block, seconds)
    run.finish()
    row = figures(runs.load(run.run, tmp_path)).rungs[0]
    assert row.boot_seconds == Summary(0.002, (0.002, 0.002), 6)


def test_a_step_without_a_boot_is_no_row(tmp_path: Path) -> None:
    """An interrupted ladder shows what it has; a step that was never booted has no time, not a zero."""
    run = runs.create(root=tmp_path, seed=1, host={})
    note(run, "fork+exec", "null")
    note(run, "mount", "null")
    boot(run, "fork+exec", "null", 0, 0.002)
    found = figures(runs.load(run.run, tmp_path))
    assert [row.rung for row in found.rungs] == ["fork+exec"]
    assert found.rungs[0].boot_seconds == Summary(0.002, None, 1)
    assert found.finished is False


@pytest.mark.parametrize("noted", [True, False], ids=["failed", "never booted"])
def test_no_difference_over_a_gap(tmp_path: Path, noted: bool) -> None:
    """Where the step before has no time, nothing is said of what a rung adds: the cost of two would be that of one."""
    run = runs.create(root=tmp_path, seed=1, host={})
    for rung in TRUE_SECONDS:
        if rung != "mount" or noted:
            note(run, rung, "null", available=rung != "mount")
    for block in range(6):
        boot(run, "fork+exec", "null", block, 0.002)
        boot(run, "all", "null", block, 0.0055)
    run.finish()
    rows = {row.rung: row for row in figures(runs.load(run.run, tmp_path)).rungs}
    assert rows.keys() == {"fork+exec", "all"}
    assert rows["all"].added_seconds is None
    ratio = rows["all"].ratio_to_fork_exec
    assert ratio is not None
    assert ratio.median == pytest.approx(2.75)
