"""Waiting until an object is ready or gone, and saying what it was that did not come.

How long: the option customTimeouts, else the annotation pulumi.com/timeoutSeconds, else the kind's own.
Out of scope: progress while it waits; a provider inside the engine cannot write to the terminal.
"""

from __future__ import annotations

import time

import grpc

from clients.kubernetes.errors import Cancelled
from engine.providers.kubernetes import objects
from engine.providers.kubernetes.readiness.pods import troubles
from engine.providers.kubernetes.readiness.table import Awaited, awaited
from engine.providers.kubernetes.readiness.view import Verdict, View
from engine.providers.kubernetes.refusal import Failures, NotReadyError, Plain, RefusalError
from engine.providers.kubernetes.site import Site


def seconds_of(inputs: Plain, custom: float, default: float) -> float:
    """How long to wait with these inputs."""
    text = objects.annotation(inputs, objects.TIMEOUT_SECONDS)
    return custom or (float(text) if text.isdigit() else 0) or default


def until_ready(site: Site, inputs: Plain, live: Plain, custom: float, warnings: list[str]) -> Plain:
    """The object when it is ready; NotReadyError with what is known when it is not in time, or never will be."""
    wanted = awaited(inputs)
    if wanted is None:
        return live
    wait = _Wait(site, wanted, live)
    seconds = seconds_of(inputs, custom, wanted.seconds)
    try:
        in_time = site.api.until(wait.over, seconds, f"{objects.title(live)} to be ready")
    except Cancelled:
        raise NotReadyError(wait.live, [f"cancelled while waiting for {wait.verdict.waiting_for}"]) from None
    except Failures as refusal:
        raise NotReadyError(wait.live, [f"{objects.title(live)} exists, but: {refusal}"]) from None
    if wait.verdict.ready:
        return wait.live
    after = "" if in_time else f" within {seconds:g} s"
    raise NotReadyError(wait.live, wait.reasons(after) + warnings)


def ready_now(site: Site, inputs: Plain, live: Plain) -> list[str]:
    """Why an object is not ready at this moment; empty when it is."""
    wanted = awaited(inputs)
    if wanted is None:
        return []
    wait = _Wait(site, wanted, live, instant=True)
    wait.judge(live)
    return [] if wait.verdict.ready else wait.reasons("")


class _Wait:
    def __init__(self, site: Site, wanted: Awaited, live: Plain, *, instant: bool = False) -> None:
        self._site = site
        self._wanted = wanted
        self._view = View(site, instant=instant)
        self.live = live
        self.verdict = Verdict("its controller")

    def over(self) -> bool:
        """Look once more: is it ready, or without hope."""
        found = self._site.live(self.live)
        if found is None or objects.uid_of(found) != objects.uid_of(self.live):
            self.verdict = Verdict("it, but it was deleted meanwhile", hopeless=True)
            return True
        return self.judge(found)

    def judge(self, live: Plain) -> bool:
        """Apply the rule."""
        self.live = live
        self.verdict = self._wanted.rule(self._view, live)
        return self.verdict.ready or self.verdict.hopeless

    def reasons(self, after: str) -> list[str]:
        """What it waits for, and what the pods say."""
        reasons = [f"{objects.title(self.live)} is not ready{after}: waiting for {self.verdict.waiting_for}"]
        return reasons + (troubles(self._view, self.live) if self._wanted.has_pods else [])


def until_gone(site: Site, path: str, thing: Plain, seconds: float) -> None:
    """Wait until the object with this UID is gone; RefusalError with what holds it back when it is not in time."""
    found: Plain | None = None

    def gone() -> bool:
        nonlocal found
        found = site.api.look(path)
        return found is None or objects.uid_of(found) != objects.uid_of(thing)

    started = time.monotonic()
    if not site.api.until(gone, seconds, f"the end of {objects.title(thing)}"):
        waited = time.monotonic() - started
        held = [f"{objects.title(thing)} is still there after {waited:.0f} s", *_held_by(found or {})]
        raise RefusalError(grpc.StatusCode.DEADLINE_EXCEEDED, "; ".join(held))


def _held_by(live: Plain) -> list[str]:
    finalizers = [
        name for part in ("metadata", "spec") for name in objects.inside(live, part, "finalizers", default=[])
    ]
    held = [f"it waits for its finalizers: {', '.join(finalizers)}"] if finalizers else []
    if live.get("kind") == "Namespace":
        conditions = objects.inside(live, "status", "conditions", default=[])
        held += [str(found.get("message")) for found in conditions if found.get("status") == "True"]
    return held
