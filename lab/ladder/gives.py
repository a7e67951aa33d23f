"""What each rung gives, as the service would see it: the boundaries that differ from those of the rung before.

Out of scope: what a rung does that cannot be seen from inside; its description states it (`describe`).
"""

from __future__ import annotations

from lab.boundaries.findings import HIDDEN, NOT_TRIED, Finding, findings
from lab.boundaries.look import look, rungs_place
from lab.ladder.steps import names
from machine.errors import InvalidInput, Unavailable
from substrates import rungs

AROUND_LIMITS = ("cgroup", "limits")  # without them a quick ladder could not show what limits give
UNKNOWN = (HIDDEN, NOT_TRIED)


def changes(*, limits: bool) -> dict[str, list[str]]:
    """By step what has changed; `limits`: whether these are tried at every step, at 2 seconds each."""
    found: dict[str, list[str]] = {}
    plain = None
    before: dict[str, Finding] = {}
    for name, prefix in zip(names(), rungs.prefixes(), strict=True):
        place = rungs_place(name, prefix)
        try:
            reading = look(place, limits=limits or name in AROUND_LIMITS)
        except (InvalidInput, Unavailable):  # no such rung here; a row of the ladder has the reason
            continue
        plain = plain or reading
        now = findings(reading, plain, place.held)
        found[name] = [_text(key, now[key]) for key in before if _differs(before[key], now[key])]
        before |= {key: finding for key, finding in now.items() if finding.state not in UNKNOWN}
    return found


def _differs(before: Finding, now: Finding) -> bool:
    return before.state != now.state and now.state not in UNKNOWN


def _text(key: str, finding: Finding) -> str:
    return f"{key} {finding.state}" + (f" ({finding.text})" if finding.text else "")
