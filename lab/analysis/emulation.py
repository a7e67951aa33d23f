"""What must be stated of numbers that a guest made: on what it ran, and what they must not be compared with.

Emulation makes every instruction of a guest slower, each by a different factor. So a time under TCG holds for this machine, and
for no machine with KVM. Out of scope: which ratios are made at all (`lab/analysis/rows.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.analysis.rows import Row

EMULATED = "tcg"
MEANING = {"tcg": "software emulation", "kvm": "the CPU's own virtualisation"}
MARK = "†"  # beside a number that is not comparable; the verdict states what it means


def accelerators(rows: Sequence[Row]) -> str:
    """On what the guests of these rows ran, and why, as one line; with their stacks where they differ."""
    guests = [row for row in rows if row.available and row.accelerator]
    kinds = dict.fromkeys(row.accelerator for row in guests)
    parts = []
    for kind in kinds:
        own = [row for row in guests if row.accelerator == kind]
        reasons = dict.fromkeys(_clause(row.facts["conditions"].get("accelerator_reason")) for row in own)
        about = "; ".join(text for text in (MEANING.get(kind, ""), *reasons) if text)
        of = f"{_and([_called(row) for row in own])}: " if len(kinds) > 1 else ""
        parts.append(f"{of}{kind}" + (f" ({about})" if about else ""))
    return f"accelerator: {'; '.join(parts)}" if parts else ""


def not_comparable(rows: Sequence[Row]) -> str:
    """The sentence for those of these rows that were emulated; empty when none was."""
    names = list(dict.fromkeys(_called(row) for row in rows if row.available and row.accelerator == EMULATED))
    if not names:
        return ""
    their = "its" if len(names) == 1 else "their"
    return (
        f"{_and(names)} ran under TCG (software emulation): {their} times do not predict those under KVM; "
        "do not compare them with other machines' figures."
    )


def mixed(rows: Sequence[Row]) -> str:
    """Why these rows must not be compared with each other; empty when all guests ran on one accelerator."""
    guests = [row for row in rows if row.available and row.accelerator]
    if len({row.accelerator for row in guests}) < 2:
        return ""
    shown = ", ".join(f"{_called(row)} {row.accelerator}" for row in guests)
    return f"Not the same accelerator: do not compare ({shown})."


def _clause(reason: object) -> str:
    """The reason without QEMU's own message, which follows a colon; it is in the conditions, and `doctor` prints it."""
    return str(reason or "").partition(": ")[0]


def _called(row: Row) -> str:
    return row.stack + (f" (run …{row.of_run})" if row.of_run else "")


def _and(names: Sequence[str]) -> str:
    return " and ".join(text for text in (", ".join(names[:-1]), names[-1]) if text)
