"""The statistics, against known values and by a small seeded simulation."""

from __future__ import annotations

import random
import time

import pytest

from lab.analysis import stats


@pytest.mark.parametrize(
    ("count", "ranks"),
    [(5, None), (6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (20, (6, 15)), (25, (8, 18)), (100, (40, 61))],
)
def test_interval_of_a_median_has_the_ranks_of_the_tables(count: int, ranks: tuple[int, int] | None) -> None:
    """The ranks that statistics books print; none below 6 values."""
    assert stats.median_interval(list(range(count, 0, -1))) == ranks


def test_ratio_interval_pairs_blocks() -> None:
    """Where every block's ratio is the same, the pairs leave no doubt, however much the blocks differ."""
    base = {block: 1.0 + block for block in range(20)}
    above = {block: 3 * value for block, value in base.items()}

    paired = stats.ratio_interval(above, base, "seed")
    apart = stats.ratio_interval({block + 100: value for block, value in above.items()}, base, "seed")

    assert paired == (3.0, 3.0)
    assert apart
    assert apart[0] < 2
    assert apart[1] > 4


def test_ratio_interval_needs_values_and_a_base_above_0() -> None:
    """No interval is better than one that means nothing."""
    few, many = dict.fromkeys(range(5), 1.0), dict.fromkeys(range(9), 1.0)

    assert stats.ratio_interval(few, many, "s") is None
    assert stats.ratio_interval(many, dict.fromkeys(range(9), 0.0), "s") is None
    assert stats.ratio_of_medians([1], [0]) is None


def test_ratio_interval_is_the_same_every_time() -> None:
    """A seed's interval can be computed again from the files; another seed gives about the same."""
    chance = random.Random(1)
    above, base = ({b: chance.lognormvariate(0, 0.2) for b in range(20)} for _ in range(2))

    first = stats.ratio_interval(above, base, "1/docker")
    other = stats.ratio_interval(above, base, "2/docker")

    assert first == stats.ratio_interval(above, base, "1/docker")
    assert first is not None
    assert other == pytest.approx(first, rel=0.05)


def test_a_ratio_takes_less_than_a_second() -> None:
    """4,000 resamples of 20 blocks, in processor time (0.02 s where it was written)."""
    chance = random.Random(1)
    above, base = ({b: chance.random() + 1 for b in range(20)} for _ in range(2))

    start = time.process_time()
    stats.ratio_interval(above, base, "seed")

    assert time.process_time() - start < 1


def test_intervals_cover_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a simulation with a known answer the intervals hold it about as often as they say."""
    monkeypatch.setattr(stats, "RESAMPLES", 300)
    chance = random.Random(20261121)
    runs, blocks, median_hits, ratio_hits = 300, 12, 0, 0
    for run in range(runs):
        slow = [chance.lognormvariate(0, 0.15) for _ in range(blocks)]
        base = {b: slow[b] * chance.lognormvariate(0, 0.1) for b in range(blocks)}
        above = {b: 10 * slow[b] * chance.lognormvariate(0, 0.2) for b in range(blocks)}
        median, ratio = (
            stats.median_interval(list(base.values())),
            stats.ratio_interval(above, base, str(run)),
        )
        assert median
        assert ratio
        median_hits += median[0] <= 1 <= median[1]
        ratio_hits += ratio[0] <= 10 <= ratio[1]

    assert median_hits / runs >= 0.92
    assert ratio_hits / runs >= 0.92


def test_outliers_are_flagged() -> None:
    """Far values are named by their place, also where all others are equal; few or equal values have none."""
    assert stats.outliers([10, 11, 10, 12, 11, 40, 10]) == [5]
    assert stats.outliers([5.0] * 19 + [6.0]) == [19]
    assert stats.outliers([5.0] * 10) == []
    assert stats.outliers([1, 100]) == []
