"""Statistics without assumptions about the shape of the distribution: medians, their intervals, ratios, outliers.

Boot times are skewed and have tails, so means and standard deviations mislead. The interval of a median is read off the
sorted values (binomial ranks: it covers at least 95 % for any distribution). The interval of a ratio of medians is a
percentile bootstrap, paired by block where both sides have the block, so that a slow minute of the machine cancels out.

Coverage found by simulation (log-normal values, a block effect that both sides share, true ratio 10, 2,000 runs each, nominal
95 %): the median's interval covers in 97, 99 and 96 % of the runs at n = 6, 8 and 25; the ratio's in 94, 95 and 98 %.
`tests/unit/lab/test_stats.py` repeats a small part of it. Out of scope: means, p-values, and p99, which needs n >= 299.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Interval = tuple[float, float]
Key = TypeVar("Key", bound=Hashable)  # a block
LEAST_VALUES = 6  # 2 * 0.5**6 < 5 %: fewer values give no 95 % interval of a median
RESAMPLES = 4000
OUTLIER_DEVIATIONS = 3.5  # modified z of Iglewicz and Hoaglin


def median_interval(values: Sequence[float]) -> Interval | None:
    """The 95 % interval of the median by order statistics; none below 6 values."""
    rank = _low_rank(len(values))
    if rank is None:
        return None
    ordered = sorted(values)
    return ordered[rank], ordered[-1 - rank]


def ratio_of_medians(above: Sequence[float], below: Sequence[float]) -> float | None:
    """How many times the one median is the other; none when the other is 0."""
    base = statistics.median(below)
    return statistics.median(above) / base if base else None


def ratio_interval(above: Mapping[Key, float], below: Mapping[Key, float], seed: str) -> Interval | None:
    """The 95 % bootstrap interval of the ratio of medians; both sides by block. None below 6 values a side.

    Blocks that both have are drawn together; those that only one has are drawn for that side, so that each side keeps
    its number of values in every resample.
    """
    if min(len(above), len(below)) < LEAST_VALUES:
        return None
    pairs = [(above[key], below[key]) for key in above if key in below]
    lone_above = [value for key, value in above.items() if key not in below]
    lone_below = [value for key, value in below.items() if key not in above]
    draw = random.Random(seed).choices
    ratios = []
    for _ in range(RESAMPLES):
        drawn = draw(pairs, k=len(pairs)) if pairs else []
        tops = [pair[0] for pair in drawn] + (draw(lone_above, k=len(lone_above)) if lone_above else [])
        bases = [pair[1] for pair in drawn] + (draw(lone_below, k=len(lone_below)) if lone_below else [])
        base = statistics.median(bases)
        if base <= 0:
            return None
        ratios.append(statistics.median(tops) / base)
    ratios.sort()
    cut = round(RESAMPLES * 0.025)
    return ratios[cut], ratios[-1 - cut]


def outliers(values: Sequence[float]) -> list[int]:
    """The places of values far from the rest, by the median absolute deviation; to be flagged, never removed."""
    if len(values) < LEAST_VALUES:
        return []
    middle = statistics.median(values)
    distances = [abs(value - middle) for value in values]
    scale = 1.4826 * statistics.median(distances) or 1.2533 * sum(distances) / len(distances)
    return [place for place, distance in enumerate(distances) if distance > OUTLIER_DEVIATIONS * scale > 0]


def _low_rank(count: int) -> int | None:
    """How many values at each end lie outside the interval; the most that still leaves 95 %."""
    below = 0.0
    for rank in range(count // 2 + 1):
        below += math.comb(count, rank) / 2**count
        if 2 * below > 0.05:
            return rank - 1 if rank else None
    return None
