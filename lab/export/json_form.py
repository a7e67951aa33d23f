"""The comparison as JSON: what `vmlab compare --json` prints."""

from __future__ import annotations

import json

from lab.comparison import Comparison


def render(comparison: Comparison) -> str:
    """The comparison as it is."""
    return json.dumps(comparison, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
