"""One copy's life: boot it, keep its times, measure it while it runs, destroy it. While a boot is timed nothing else runs.

The order of the steps is the method: memory before load, load before the shutdown, the boot with a cold image last.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol

from catalogue import metrics
from catalogue.metrics import Metric
from lab.measuring.load import send_requests
from lab.measuring.runs import RunWriter
from lab.measuring.samples import Dimensions, Sample
from lab.measuring.subjects import Subject
from machine import processes
from machine.addresses import FIRST_COPY_PORT, LOOPBACK
from substrates.contract import Boot, Request, Slot

SLOTS = 50  # guests have no more addresses
IDLE_SECONDS = 1.0
SETTLE_SECONDS = 0.1  # delay between the first response and the memory reading


class Bootable(Protocol):
    """What copies can be made of: a stack that is up, or a step of the ladder."""

    @property
    def path(self) -> str:
        """What is requested."""

    @property
    def echoes_nonce(self) -> bool:
        """Whether a valid answer contains the nonce."""

    @property
    def boot(self) -> Callable[[Slot, Request], Boot]:
        """Start a copy and wait for its answer."""

    @property
    def destroy(self) -> Callable[[Any], None]:
        """Remove a copy."""


class Keep:
    """Writes samples with the dimensions of one boot; drops those of the warm-up (block -1)."""

    def __init__(self, writer: RunWriter, dimensions: Dimensions) -> None:
        self.nonce = secrets.token_hex(8)
        self._writer = writer
        self._dimensions = {**dimensions, "boot": self.nonce}

    def __call__(self, metric: Metric, value: float, **more: str) -> None:
        if int(self._dimensions["block"]) >= 0:
            self._writer.add(Sample.of(metric, value, {**self._dimensions, **more}))


def slot(number: int) -> Slot:
    """The slot of the boot with this running number."""
    return Slot(number % SLOTS, FIRST_COPY_PORT + number % SLOTS)


def live(subject: Bootable, at: Slot, keep: Keep, meanwhile: Callable[[Boot], bool]) -> None:
    """Boot a copy, run `meanwhile` (which returns whether the copy has ended by itself), destroy the copy.

    NeverAnswered when it does not come up; the copy is destroyed whatever fails."""
    boot = subject.boot(at, Request(subject.path, keep.nonce, subject.echoes_nonce))
    ended = False
    try:
        keep(metrics.BOOT, boot.seconds)
        for phase, seconds in boot.phases_seconds().items():
            keep(metrics.PHASE, seconds, phase=phase)
        for part, seconds in boot.checks_seconds.items():
            keep(metrics.BOOT_CHECK, seconds, part=part)
        ended = meanwhile(boot)
    finally:
        start = time.monotonic_ns()
        subject.destroy(boot.copy)
        if not ended:
            keep(metrics.DESTROY, (time.monotonic_ns() - start) / 1e9)


def whole(subject: Subject, at: Slot, keep: Keep, *, load: bool) -> None:
    """A copy of a stack with everything that is measured of it; CPU, shutdown and a cold image only with `load`."""
    free_bytes = processes.available_bytes()

    def meanwhile(boot: Boot) -> bool:
        _footprint(keep, subject, boot, free_bytes)
        if not load:
            return False
        _cpu(keep, subject, boot, f"{boot.url or f'http://{LOOPBACK}:{at.port}'}{subject.path}")
        return _shut_down(keep, subject, boot)

    live(subject, at, keep, meanwhile)
    if load:
        _cold(subject, keep, at)


def _footprint(keep: Keep, subject: Subject, boot: Boot, free_bytes: int) -> None:
    """Memory and disk of the copy, and by how much this machine's available memory fell because of it."""
    time.sleep(SETTLE_SECONDS)
    keep(metrics.MEMORY_HOST, free_bytes - processes.available_bytes())
    found = subject.module.footprint(boot.copy)
    values = {
        metrics.MEMORY_PSS: found.pss_bytes,
        metrics.MEMORY_CGROUP: found.cgroup_bytes,
        metrics.MEMORY_GUEST: found.guest_bytes,
        metrics.DISK_INSTANCE: found.disk_instance_bytes,
    }
    for metric, value in values.items():
        if value is not None:
            keep(metric, value)


def _cpu(keep: Keep, subject: Subject, boot: Boot, url: str) -> None:
    """The copy's CPU time while idle, and for each 1,000 requests."""
    start, idle = time.monotonic(), subject.module.footprint(boot.copy).cpu_seconds
    time.sleep(IDLE_SECONDS)
    after = subject.module.footprint(boot.copy).cpu_seconds
    keep(metrics.CPU_IDLE, (after - idle) / (time.monotonic() - start))
    served = send_requests(url)
    busy = subject.module.footprint(boot.copy).cpu_seconds - after
    keep(metrics.CPU_REQUESTS, busy / served * 1000)


def _shut_down(keep: Keep, subject: Subject, boot: Boot) -> bool:
    """Time a graceful shutdown, where a substrate has one beside forced termination; whether the copy ended."""
    if not hasattr(subject.module, "shut_down"):
        return False
    start = time.monotonic_ns()
    ended = bool(subject.module.shut_down(boot.copy))
    if ended:
        keep(metrics.SHUTDOWN, (time.monotonic_ns() - start) / 1e9)
    return ended


def _cold(subject: Subject, keep: Keep, at: Slot) -> None:
    """A boot with an image the node has not cached, where a substrate has such a thing."""
    definition = subject.module.cold(subject.definition) if hasattr(subject.module, "cold") else None
    if definition is None:
        return
    request = Request(subject.path, secrets.token_hex(8), subject.echoes_nonce)
    boot: Boot = subject.module.boot(definition, at, request)
    subject.module.destroy(boot.copy)
    keep(metrics.BOOT_COLD_IMAGE, boot.seconds)
