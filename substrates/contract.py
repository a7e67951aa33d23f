"""The contract of all substrates: the functions that the lab calls, and the shapes of the results.

A substrate is a module with these functions, in this order:

    definition(instance)                     what a fresh copy is made from: the stack's own definition
    cold(definition)                         the same with an image the node has not cached, or None (optional)
    boot(definition, slot, request)          start a copy and wait for its first valid answer: a Boot
    footprint(copy)                          what a running copy uses: a Footprint
    limits(instance)                         what limits the stack's own instance, read from the running thing: a Limits
    artifact(instance)                       the digest of the bytes it runs, read back
    image_bytes(instance)                    the size of the bytes it runs on disk
    shut_down(copy)                          a graceful shutdown; whether it ended in time (where it differs from destroy)
    destroy(copy)                            remove a copy; returns when it is gone
    remove_copies()                          remove the copies of an interrupted run, which hold resources of the stack
    fixed()                                  what it uses with no copy: PSS bytes and CPU seconds by program (optional)
    ready_seconds()                          how long that took from nothing until it accepted copies (with `fixed`)
    everything_labelled(), remove_labelled() every object with the lab's label, with or without a state
    with_probe(definition, settings)         the definition with the probe of `boundaries` in the service's place

Milestones are CLOCK_MONOTONIC nanoseconds of the host. Their order is the same everywhere. A substrate omits those
it does not have; the time then counts for the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from catalogue import milestones
from clients.http_probe import first_answer
from machine.errors import NeverAnswered
from machine.waiting import answer_seconds

MILESTONES = milestones.ORDER
BOOT_PREFIX = "vmlab-boot-"
_STAMP = re.compile(r"vmlab-service (first-line|listening) monotonic_ns=(\d+)")
_NAMES = {"first-line": milestones.SERVICE, "listening": milestones.LISTENING}


@dataclass(frozen=True)
class Slot:
    """What a copy owns while it exists: a number, and a port on the host's loopback."""

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
    )  # systemd's own account of the boot, by part

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
    """What limits a running thing, read from its control group; a guest's from its live domain. None: not limited."""

    cpus: float | None
    memory_bytes: int | None
    enforced: bool  # whether the kernel or the hypervisor enforces both
    guest_cpus: int | None = None  # what a guest itself sees; None where there is no guest
    guest_memory_bytes: int | None = None

    def as_dict(self) -> dict[str, float | int | bool]:
        """The members that are known, by name, as stack outputs and results have them."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Footprint:
    """What one running copy uses. None where it is not known."""

    pss_bytes: int | None  # None: another machine's process
    cgroup_bytes: int | None
    cpu_seconds: float
    disk_instance_bytes: int
    guest_bytes: int | None = None  # what a guest's own kernel reports as used


@contextmanager
def destroyed_on_failure(destroy: Callable[[Any], None], copy: Any) -> Iterator[None]:
    """Remove a copy whose boot fails or is interrupted from here on, then raise the error."""
    try:
        yield
    except BaseException:
        destroy(copy)
        raise


def first_boot(
    copy: Any,
    url: str,
    slot: Slot,
    request: Request,
    stamps: dict[str, int],
    log: Callable[[], str],
    *,
    failed: str = "",
    alive: Callable[[], bool] | None = None,
) -> Boot:
    """Wait for a started copy's first valid answer, from the instant `requested` of its stamps (CLOCK_MONOTONIC, ns);
    NeverAnswered with the end of its log and of `failed`, why it could not start, which is not waited for."""
    deadline = 0 if failed else stamps[milestones.REQUESTED] + int(request.seconds * 1e9)
    answer = first_answer(url + request.path, deadline, request.expected, alive=alive)
    printed = log()
    stamps = {**stamps, **service_stamps(printed)}
    if answer is None:
        raise never_answered(slot, request, stamps, [*printed.splitlines(), *filter(None, [failed])])
    return Boot(copy, {**stamps, milestones.ANSWERED: answer.at_ns}, url=url)


def never_answered(slot: Slot, request: Request, stamps: dict[str, int], log: list[str]) -> NeverAnswered:
    """The error of a copy that reached these milestones and printed this."""
    return NeverAnswered(slot.name, max(stamps, key=MILESTONES.index), request.seconds, log)


def service_stamps(log: str) -> dict[str, int]:
    """The milestones that our service prints itself; a foreign service has none."""
    return {_NAMES[event]: int(at) for event, at in _STAMP.findall(log)}
