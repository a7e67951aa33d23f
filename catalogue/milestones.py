"""The milestones of a boot: the only list of them, and their order, which is the same on every substrate.

A milestone is an instant; the time since the one before it is the phase of the same name. What reaches a milestone on one
substrate is in that substrate's row (`catalogue/substrates.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

REQUESTED, ACCEPTED, SANDBOXED, KERNEL = "requested", "accepted", "sandboxed", "kernel"
INIT, SERVICE, LISTENING, ANSWERED = "init", "service", "listening", "answered"
UNATTRIBUTED = "unattributed"  # of the phases: what their medians leave of the median total


@dataclass(frozen=True)
class Milestone:
    """An instant of a boot, and the colour of the phase that ends with it."""

    name: str
    meaning: str
    colour: str = ""


# The colours are those of Okabe and Ito, which people with any kind of colour vision can tell apart.
ALL = (
    Milestone(REQUESTED, "just before the create call"),
    Milestone(ACCEPTED, "the create call returned, or its request was taken over", "#0072b2"),
    Milestone(SANDBOXED, "namespaces, network and file system are ready", "#56b4e9"),
    Milestone(KERNEL, "a guest's own kernel runs", "#d55e00"),
    Milestone(INIT, "the guest's first process runs", "#e69f00"),
    Milestone(SERVICE, "the service's first line runs", "#009e73"),
    Milestone(LISTENING, "the service listens", "#cc79a7"),
    Milestone(ANSWERED, "the first valid answer arrived", "#f0e442"),
)
REST = Milestone(UNATTRIBUTED, "what the medians of the phases leave of the median total", "#b5bcc4")
ORDER = tuple(row.name for row in ALL)
PHASES = ORDER[1:]
UNTIL_SERVICE = PHASES[: PHASES.index(SERVICE) + 1]  # what passes before the service can do anything
SHOWN = {row.name: row for row in (*ALL[1:], REST)}  # phases in tables and pictures, by name


def in_order(names: list[str]) -> list[str]:
    """These phases without repetition in the order of a boot; unknown ones last, as they came."""
    return sorted(
        dict.fromkeys(names), key=lambda name: [*SHOWN].index(name) if name in SHOWN else len(SHOWN)
    )
