"""Two spellings of one value: `1000m` and `1`, `0.5Gi` and `512Mi`.

The API server rewrites quantities; after a refresh or an import the state has its spelling, the program still has its
own. Only fields that hold quantities are compared so: elsewhere `1` and `1000m` are two words. Source:
k8s.io/apimachinery/pkg/api/resource/quantity.go.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from engine.values.paths import Path

_NAMES = """limits requests hard used capacity allocatable allocatedResources default defaultRequest min max
    maxLimitRequestRatio podFixed"""
_HOLDERS = frozenset(_NAMES.split())
_FIELDS = {"sizeLimit", "averageValue", "divisor"}
_QUANTITY = re.compile(r"([+-]?[0-9.]+)(m|k|M|G|T|P|E|n|u|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}


def same(path: Path, one: Any, other: Any) -> bool:
    """Whether two values at this place mean the same."""
    if type(one) is type(other) and one == other:
        return True
    if not _holds_quantity(path):
        return bool(one == other and isinstance(one, bool) == isinstance(other, bool))
    first, second = amount(one), amount(other)
    return first is not None and first == second


def amount(value: Any) -> Decimal | None:
    """The number a quantity stands for; None when it is none."""
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    found = _QUANTITY.fullmatch(str(value)) if is_text else None
    if found is None:
        return None
    number, unit = found[1], found[2] or ""
    try:
        if unit in _BINARY:
            return Decimal(number) * Decimal(_BINARY[unit])
        if unit in _DECIMAL:
            return Decimal(number).scaleb(_DECIMAL[unit])
        return Decimal(number + unit)
    except InvalidOperation:
        return None


def _holds_quantity(path: Path) -> bool:
    last = ("", "", *path)[-2:]
    return last[1] in _FIELDS or last[0] in _HOLDERS or last == ("target", "value")
