"""Measuring: fresh copies of every stack, in shuffled blocks, each sample written as soon as it is there.

A block boots one copy of every stack, in an order drawn from the run's seed, so that a slow minute of the machine hits all
of them alike. The first block warms up and is thrown away. While a boot is timed nothing else of the lab runs.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from lab.results import RunWriter
from lab.sample import Sample
from lab.substrates import module_of
from machine import processes
from machine.errors import InvalidInput, NeverAnswered, VmlabError
from substrates.contract import Boot, Request, Slot

FIRST_PORT = 18200
IDLE_SECONDS = 1.0
FIXED_SECONDS = 3.0  # of an idle control plane, which works in bursts of a second or two
SETTLE_SECONDS = 0.1  # memory is read when the first answer's dust has settled
REQUESTS, LOAD_SECONDS = 5000, 3.0


@dataclass(frozen=True)
class Plan:
    """How much to measure. `blocks` of at least 6, because fewer give no interval of a median."""

    blocks: int
    loads: int  # in how many of the blocks CPU is measured as well
    seed: int

    @classmethod
    def of(cls, *, quick: bool, seed: int | None) -> Plan:
        """6 blocks when it must be quick, else 25; VMLAB_BLOCKS says another number."""
        chosen = secrets.randbelow(2**31) if seed is None else seed
        blocks = os.environ.get("VMLAB_BLOCKS") or ("6" if quick else "25")
        if not blocks.isdecimal() or int(blocks) == 0:
            raise InvalidInput(f"VMLAB_BLOCKS must be a whole number above 0, not {blocks!r}")
        return cls(int(blocks), int(blocks) // 3 if int(blocks) > 1 else 1, chosen)


@dataclass
class Tally:
    """How it went: boots that counted, and stacks of which a boot failed."""

    good: int = 0
    failed: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Subject:
    """A stack that is up, and how copies of it are made."""

    stack: str
    module: ModuleType
    definition: Any
    path: str
    echoes_nonce: bool


def subject_of(stack: str, outputs: dict[str, Any]) -> Subject:
    """What the stack's outputs say of it."""
    instance = outputs["instance"]
    module = module_of(outputs["substrate"])
    return Subject(
        stack, module, module.definition(instance), instance["path"], bool(instance["echoes_nonce"])
    )


def measure(plan: Plan, subjects: list[Subject], writer: RunWriter, say: Callable[[str], None]) -> Tally:
    """Measure every subject. Ctrl-C leaves what was measured; a subject that does not answer is not asked again."""
    for subject in subjects:
        try:
            _fixed(subject, writer)
        except VmlabError as error:  # a figure less; whether copies can be made is seen below
            say(f"error: {error}")
    turns = list(_turns(plan, subjects, random.Random(plan.seed)))
    started, tally = time.monotonic(), Tally()
    for done, (block, place, subject) in enumerate(turns, 1):
        if subject.stack in tally.failed:
            continue
        try:
            _turn(plan, subject, block, place, writer)
            tally.good += block >= 0
        except VmlabError as error:  # the others can still be measured
            _note_failure(subject, block, error, writer, tally)
            say(f"error: {error}")
        left = (time.monotonic() - started) / done * (len(turns) - done)
        say(
            f"block {block + 1} of {plan.blocks}, {subject.stack}; {left:.0f} s left"
            if block >= 0
            else "warming up"
        )
    return tally


def _fixed(subject: Subject, writer: RunWriter) -> None:
    """What a substrate takes before the first copy, once a run: memory, also by program, and CPU while it is idle."""
    if not hasattr(subject.module, "fixed"):
        return
    start, before = time.monotonic(), subject.module.fixed()
    if not before:
        return
    time.sleep(FIXED_SECONDS)
    after, seconds = subject.module.fixed(), time.monotonic() - start
    parts = sorted(before.keys() & after.keys())
    used = sum(after[part][1] - before[part][1] for part in parts)
    writer.add(
        Sample("fixed_pss_bytes", sum(after[part][0] for part in parts), "B", {"stack": subject.stack})
    )
    writer.add(Sample("fixed_cpu_ratio", used / seconds, "1", {"stack": subject.stack}))
    if ready := subject.module.ready_seconds():
        writer.add(Sample("fixed_ready_seconds", ready, "s", {"stack": subject.stack}))
    for part in parts:
        writer.add(Sample("fixed_part_bytes", after[part][0], "B", {"stack": subject.stack, "part": part}))


def _note_failure(subject: Subject, block: int, error: VmlabError, writer: RunWriter, tally: Tally) -> None:
    """Keep a boot that failed as a sample; without a single good one the stack is not measured, and says why."""
    tally.failed.add(subject.stack)
    writer.add(Sample("boot_failed", 1, "boots", {"stack": subject.stack, "block": block}))
    if block < 0:
        writer.set_stack(
            subject.stack, {"available": False, "reason": _reason(error), "fix": f"vmlab up {subject.stack}"}
        )


def _reason(error: VmlabError) -> str:
    if isinstance(error, NeverAnswered):
        return f"its service never answered; the last milestone it reached was {error.milestone!r}"
    return str(error).partition("\n")[0]


def _turns(plan: Plan, subjects: list[Subject], order: random.Random) -> Iterator[tuple[int, int, Subject]]:
    """Block, running number and subject of every boot; block -1 warms up."""
    number = 0
    for block in range(-1, plan.blocks):
        for subject in order.sample(subjects, len(subjects)):
            yield block, number, subject
            number += 1


def _turn(plan: Plan, subject: Subject, block: int, number: int, writer: RunWriter) -> None:
    """One copy's life: boot, look, load, destroy. NeverAnswered when it does not come up."""
    nonce = secrets.token_hex(8)
    slot = Slot(number % 100, FIRST_PORT + number % 100)
    request = Request(subject.path, nonce, subject.echoes_nonce)
    keep = _Keep(writer, {"stack": subject.stack, "block": block, "boot": nonce}, warm_up=block < 0)
    free_bytes = processes.available_bytes()
    boot: Boot = subject.module.boot(subject.definition, slot, request)
    url = f"{boot.url or f'http://127.0.0.1:{slot.port}'}{request.path}"
    load, gone = 0 <= block < plan.loads, False
    try:
        _keep_boot(keep, boot)
        _look(keep, subject, boot, free_bytes)
        if load:
            _load(keep, subject, boot, url)
            gone = _shut_down(keep, subject, boot)
    finally:
        start = time.monotonic_ns()
        subject.module.destroy(boot.copy)
        if not gone:
            keep("destroy_seconds", (time.monotonic_ns() - start) / 1e9, "s")
    if load:
        _cold(subject, keep, slot)


def _cold(subject: Subject, keep: _Keep, slot: Slot) -> None:
    """A boot with nothing at hand, where a substrate has such a thing: a pod whose node must pull the image first."""
    definition = subject.module.cold(subject.definition) if hasattr(subject.module, "cold") else None
    if definition is None:
        return
    nonce = secrets.token_hex(8)
    boot: Boot = subject.module.boot(definition, slot, Request(subject.path, nonce, subject.echoes_nonce))
    subject.module.destroy(boot.copy)
    keep("boot_cold_image_seconds", boot.seconds, "s")


class _Keep:
    """Writes samples with the same dimensions; drops those of the warm-up."""

    def __init__(self, writer: RunWriter, dimensions: dict[str, str | int], *, warm_up: bool) -> None:
        self._writer = writer
        self._dimensions = dimensions
        self._warm_up = warm_up

    def __call__(self, metric: str, value: float, unit: str, **more: str) -> None:
        if not self._warm_up:
            self._writer.add(Sample(metric, value, unit, {**self._dimensions, **more}))


def _keep_boot(keep: _Keep, boot: Boot) -> None:
    keep("boot_seconds", boot.seconds, "s")
    for phase, seconds in boot.phases_seconds().items():
        keep("phase_seconds", seconds, "s", phase=phase)
    for part, seconds in boot.checks_seconds.items():
        keep("boot_check_seconds", seconds, "s", part=part)


def _look(keep: _Keep, subject: Subject, boot: Boot, free_bytes: int) -> None:
    """Memory and disk of the copy, and how much less this machine had free because of it: its slope."""
    time.sleep(SETTLE_SECONDS)
    keep("memory_host_bytes", free_bytes - processes.available_bytes(), "B")
    found = subject.module.footprint(boot.copy)
    if found.pss_bytes is not None:
        keep("memory_pss_bytes", found.pss_bytes, "B")
    if found.cgroup_bytes is not None:
        keep("memory_cgroup_bytes", found.cgroup_bytes, "B")
    if found.guest_bytes is not None:
        keep("memory_guest_bytes", found.guest_bytes, "B")
    keep("disk_instance_bytes", found.disk_instance_bytes, "B")


def _load(keep: _Keep, subject: Subject, boot: Boot, url: str) -> None:
    """The copy's CPU time while idle, and for each 1,000 requests."""
    start, idle = time.monotonic(), subject.module.footprint(boot.copy).cpu_seconds
    time.sleep(IDLE_SECONDS)
    after = subject.module.footprint(boot.copy).cpu_seconds
    keep("cpu_idle_ratio", (after - idle) / (time.monotonic() - start), "1")
    served = ask_many(url, REQUESTS)
    busy = subject.module.footprint(boot.copy).cpu_seconds - after
    keep("cpu_seconds_per_1000_requests", busy / served * 1000, "s")


def _shut_down(keep: _Keep, subject: Subject, boot: Boot) -> bool:
    """How long a clean end takes, where it is another thing than taking the copy away; whether the copy went by itself."""
    if not hasattr(subject.module, "shut_down"):
        return False
    start = time.monotonic_ns()
    gone = bool(subject.module.shut_down(boot.copy))
    if gone:
        keep("shutdown_seconds", (time.monotonic_ns() - start) / 1e9, "s")
    return gone


def ask_many(url: str, count: int, seconds: float = LOAD_SECONDS) -> int:
    """Send that many requests one after the other over kept-alive connections, or as many as the time lets; how many were
    answered. An emulated guest answers in milliseconds what takes others microseconds.

    A new connection every 500, because servers close one after a while (nginx after 1,000).
    """
    parts = urlsplit(url)
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: lab\r\n\r\n".encode()
    served, end = 0, time.monotonic() + seconds
    while served < count and time.monotonic() < end:
        with socket.create_connection((parts.hostname or "", parts.port or 80), 10.0) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(min(500, count - served)):
                if served and time.monotonic() > end:
                    break
                link.sendall(request)
                _read_answer(link)
                served += 1
    return served


def _read_answer(link: socket.socket) -> None:
    """Read one answer to its end."""
    raw = link.recv(65536)
    while b"\r\n\r\n" not in raw:
        raw += _more(link)
    head, _, body = raw.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    ]
    left = int(lengths[0]) - len(body)
    while left > 0:
        left -= len(_more(link))


def _more(link: socket.socket) -> bytes:
    data = link.recv(65536)
    if not data:
        raise VmlabError("the service closed the connection in the middle of an answer")
    return data
