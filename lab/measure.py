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

from lab.errors import LabError, WrongUse
from lab.results import RunWriter
from lab.sample import Sample
from lab.substrates import module_of
from substrates.contract import Boot, Request, Slot
from substrates.errors import NeverAnswered

FIRST_PORT = 18200
IDLE_SECONDS = 1.0
SETTLE_SECONDS = 0.1  # memory is read when the first answer's dust has settled
REQUESTS = 5000


@dataclass(frozen=True)
class Plan:
    """How much to measure. `blocks` of at least 6, because fewer give no interval of a median."""

    blocks: int
    loads: int  # in how many of the blocks CPU is measured as well
    seed: int

    @classmethod
    def of(cls, *, quick: bool, seed: int | None) -> Plan:
        """8 blocks when it must be quick, else 25; VMLAB_BLOCKS says another number."""
        chosen = secrets.randbelow(2**31) if seed is None else seed
        blocks = os.environ.get("VMLAB_BLOCKS") or ("8" if quick else "25")
        if not blocks.isdecimal() or int(blocks) == 0:
            raise WrongUse(f"VMLAB_BLOCKS must be a whole number above 0, not {blocks!r}")
        return cls(int(blocks), int(blocks) * 3 // 8 if quick else int(blocks) // 3, chosen)


@dataclass
class Tally:
    """How it went: boots that counted, and stacks that did not answer."""

    good: int = 0
    silent: set[str] = field(default_factory=set)


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
    turns = list(_turns(plan, subjects, random.Random(plan.seed)))
    started, tally = time.monotonic(), Tally()
    for done, (block, place, subject) in enumerate(turns, 1):
        if subject.stack in tally.silent:
            continue
        try:
            _turn(plan, subject, block, place, writer)
            tally.good += block >= 0
        except NeverAnswered as error:
            _note_silence(subject, block, error, writer, tally)
            say(f"error: {error}")
        left = (time.monotonic() - started) / done * (len(turns) - done)
        say(
            f"block {block + 1} of {plan.blocks}, {subject.stack}; {left:.0f} s left"
            if block >= 0
            else "warming up"
        )
    return tally


def _note_silence(
    subject: Subject, block: int, error: NeverAnswered, writer: RunWriter, tally: Tally
) -> None:
    """Keep a boot that failed as a sample; without a single good one the stack is not measured, and says why."""
    tally.silent.add(subject.stack)
    writer.add(Sample("boot_failed", 1, "boots", {"stack": subject.stack, "block": block}))
    if block < 0:
        reason = f"its service never answered; the last milestone it reached was {error.milestone!r}"
        writer.set_stack(
            subject.stack, {"available": False, "reason": reason, "fix": f"vmlab up {subject.stack}"}
        )


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
    boot: Boot = subject.module.boot(subject.definition, slot, request)
    try:
        _keep_boot(keep, boot)
        _look(
            keep,
            subject,
            boot,
            load=0 <= block < plan.loads,
            url=f"http://127.0.0.1:{slot.port}{request.path}",
        )
    finally:
        start = time.monotonic_ns()
        subject.module.destroy(boot.copy)
        keep("destroy_seconds", (time.monotonic_ns() - start) / 1e9, "s")


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


def _look(keep: _Keep, subject: Subject, boot: Boot, *, load: bool, url: str) -> None:
    """Memory and disk of the copy; then, if wanted, its CPU time while idle and for each 1,000 requests."""
    time.sleep(SETTLE_SECONDS)
    before = subject.module.footprint(boot.copy)
    keep("memory_pss_bytes", before.pss_bytes, "B")
    if before.cgroup_bytes is not None:
        keep("memory_cgroup_bytes", before.cgroup_bytes, "B")
    keep("disk_instance_bytes", before.disk_instance_bytes, "B")
    if not load:
        return
    start, idle = time.monotonic(), subject.module.footprint(boot.copy).cpu_seconds
    time.sleep(IDLE_SECONDS)
    after = subject.module.footprint(boot.copy).cpu_seconds
    keep("cpu_idle_ratio", (after - idle) / (time.monotonic() - start), "1")
    served = ask_many(url, REQUESTS)
    busy = subject.module.footprint(boot.copy).cpu_seconds - after
    keep("cpu_seconds_per_1000_requests", busy / served * 1000, "s")


def ask_many(url: str, count: int) -> int:
    """Send that many requests one after the other over kept-alive connections; how many were answered.

    A new connection every 500, because servers close one after a while (nginx after 1,000).
    """
    parts = urlsplit(url)
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: lab\r\n\r\n".encode()
    served = 0
    while served < count:
        with socket.create_connection((parts.hostname or "", parts.port or 80), 10.0) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(min(500, count - served)):
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
        raise LabError("the service closed the connection in the middle of an answer")
    return data
