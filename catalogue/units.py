"""Units, and values as people read them: 31.2 ms instead of 0.0312 s, the same in every table, picture and sentence.

Three digits, because the intervals are never narrower than that. Out of scope: languages other than English.
"""

from __future__ import annotations

from collections.abc import Sequence

SECONDS, BYTES, RATIO, BOOTS = "s", "B", "1", "boots"  # as samples have them
MIB = 1024**2
NONE = "–"


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit; a dash for none."""
    if value is None:
        return NONE
    factor, name = _scale(value, unit)
    return f"{value * factor:.{_decimals(value, unit)}f} {name}".rstrip()


def with_interval(value: float | None, interval: Sequence[float] | None, unit: str) -> str:
    """A value and its interval on one scale: `31.2 ms (28.1–35.4)`."""
    if value is None or interval is None:
        return quantity(value, unit)
    factor, _ = _scale(value, unit)
    low, high = (f"{bound * factor:.{_decimals(value, unit)}f}" for bound in interval)
    return f"{quantity(value, unit)} ({low}–{high})"


def ratio(value: float | None, interval: Sequence[float] | None, to: str = "–") -> str:
    """How many times, with its interval: `31.2 (28.1–35.4)`."""
    if value is None:
        return NONE
    decimals = _decimals(value, "")
    if interval is None:
        return f"{value:.{decimals}f}"
    return f"{value:.{decimals}f} ({interval[0]:.{decimals}f}{to}{interval[1]:.{decimals}f})"


def _scale(value: float, unit: str) -> tuple[float, str]:
    size = abs(value)
    if unit == SECONDS:
        return (1e6, "µs") if 0 < size < 1e-3 else (1e3, "ms") if size < 1 else (1, "s")
    if unit == BYTES and 0 < size < 0.1 * MIB:
        return 1 / 1024, "KiB"
    if unit == BYTES:
        return (1 / MIB, "MiB") if size < 4096 * MIB else (1 / (1024 * MIB), "GiB")
    return (100, "%") if unit == RATIO else (1, unit)


def _decimals(value: float, unit: str) -> int:
    factor, name = _scale(value, unit)
    size = abs(value * factor)
    return 0 if size >= 99.95 or size == 0 or name == "KiB" else 1 if size >= 9.995 else 2
