"""What every substrate has in common: the words in which the lab asks, and the shapes of the answers.

A substrate is a module with these functions, in this order:

    definition(instance)                     what a fresh copy is made from: the stack's own definition
    cold(definition)                         the same with nothing of its bytes at hand, or None (optional)
    boot(definition, slot, request)          start a copy and wait for its first valid answer: a Boot
    footprint(copy)                          what a running copy takes: a Footprint
    limits(instance)                         what the stack's own instance is held to, read back
    artifact(instance)                       the digest of the bytes it runs, read back
    image_bytes(instance)                    what the bytes it runs take on disk
    shut_down(copy)                          ask it to end by itself; whether it did (only where that is another thing)
    destroy(copy)                            take a copy away; done when it is gone
    remove_copies()                          copies that an interrupted run left; they hold on to things of the stack
    fixed()                                  what it takes with no copy: PSS bytes and CPU seconds by program (optional)
    ready_seconds()                          how long that took from nothing until it took copies (with `fixed`)
    everything_labelled(), remove_labelled() whatever carries the lab's label here, with or without a state

Milestones are CLOCK_MONOTONIC nanoseconds of the host. Their order is the same everywhere; a substrate leaves out those
it does not have, and the time goes to the next one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from catalogue import milestones
from machine.waiting import answer_seconds

MILESTONES = milestones.ORDER
BOOT_PREFIX = "vmlab-boot-"
_STAMP = re.compile(r"vmlab-service (first-line|listening) monotonic_ns=(\d+)")
_NAMES = {"first-line": milestones.SERVICE, "listening": milestones.LISTENING}


@dataclass(frozen=True)
class Slot:
    """What a copy owns for its life: a number, and a port on the host's loopback."""

    number: int
    port: int

    @property
    def name(self) -> str:
        """The copy's name."""
        return f"{BOOT_PREFIX}{self.number}"


@dataclass(frozen=True)
class Request:
    """What counts as an answer: a 200 at this path, with the nonce in its body where the service echoes one."""

    path: str
    nonce: str
    echoed: bool
    seconds: float = field(default_factory=answer_seconds)

    @property
    def expected(self) -> str:
        """What the body must contain."""
        return self.nonce if self.echoed else ""


@dataclass
class Boot:
    """One boot: the running copy, and when it reached what."""

    copy: Any
    milestones_ns: dict[str, int] = field(default_factory=dict)
    url: str = ""  # where the copy answers; "" is its slot's port on loopback
    checks_seconds: dict[str, float] = field(
        default_factory=dict
    )  # a second account of the boot (systemd's), by part

    @property
    def seconds(self) -> float:
        """From the create call to the first valid answer."""
        return (self.milestones_ns[milestones.ANSWERED] - self.milestones_ns[milestones.REQUESTED]) / 1e9

    def phases_seconds(self) -> dict[str, float]:
        """The time between each milestone and the one before it; they add up to the total.

        A stamp that comes before its predecessor's (a call that returns after the service answered) counts as reached
        at the same instant, so no phase is negative.
        """
        found, last = {}, self.milestones_ns[milestones.REQUESTED]
        end = self.milestones_ns[milestones.ANSWERED]
        for name in milestones.PHASES:
            if name in self.milestones_ns:
                at = min(max(self.milestones_ns[name], last), end)
                found[name] = (at - last) / 1e9
                last = at
        return found


@dataclass(frozen=True)
class Limits:
    """What a running thing is held to, read from its control group; a guest's from its live domain."""

    cpus: float
    memory_bytes: int
    enforced: bool  # whether something holds it to both
    guest_cpus: int | None = None  # what a guest itself sees; None where there is no guest
    guest_memory_bytes: int | None = None


@dataclass(frozen=True)
class Footprint:
    """What one running copy takes. None where it cannot be told."""

    pss_bytes: int | None  # None: another machine's process
    cgroup_bytes: int | None
    cpu_seconds: float
    disk_instance_bytes: int
    guest_bytes: int | None = None  # what a guest with a kernel of its own says that it uses


def service_stamps(log: str) -> dict[str, int]:
    """The milestones that our service prints itself; a foreign service has none."""
    return {_NAMES[event]: int(at) for event, at in _STAMP.findall(log)}
