"""The shared memory of one run: what was, what is registered so far, what failed, and who may still go on.

Every registration runs on a thread of its own; this object is what they share. It decides nothing about resources.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from engine import urn as urns
from engine.deploy.events import Diagnostic, Event, Listener, Op, StepDone, StepErred, StepStarted
from engine.deploy.provider_resources import ProviderResources, split_reference
from engine.errors import EngineError, StepFailed
from engine.providers.client import Provider
from engine.state.journal import Journal
from engine.state.resource import Resource
from engine.state.snapshot import Snapshot
from engine.values import Properties, contains_unknown


class Stopped(EngineError):
    """The run is over for this thread: something failed elsewhere, or the user stopped it."""


@dataclass(frozen=True)
class Options:
    """How a run is to be done."""

    preview: bool = False
    parallel: int = 8
    targets: tuple[str, ...] = ()
    target_dependents: bool = False
    continue_on_error: bool = False

    def is_targeted(self, urn: str) -> bool:
        """Whether a run limited by --target touches this resource; `*` stands for any text."""
        return not self.targets or any(fnmatchcase(urn, pattern) for pattern in self.targets)


@dataclass
class Outcome:
    """What became of a run so far."""

    errors: list[EngineError] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)  # URNs that failed or were skipped because of one that did
    changes: Counter[str] = field(default_factory=Counter)
    mutated: bool = False  # a provider was asked to change something
    corrupt: bool = False  # an answer was lost, so the state may not tell the whole truth


class Deployment:
    """One run over one stack."""

    def __init__(
        self,
        stack: str,
        project: str,
        base: Snapshot,
        journal: Journal,
        providers: ProviderResources,
        options: Options,
        listener: Listener,
    ) -> None:
        self.stack = stack
        self.project = project
        self.base = base
        self.journal = journal
        self.providers = providers
        self.options = options
        self.outcome = Outcome()
        self.olds = {r.urn: r for r in base.resources if not r.delete}
        self.news: dict[str, Resource] = {}
        self.replaced: set[str] = set()
        self.component_providers: dict[str, dict[str, str]] = {}
        self.stack_outputs: Properties | None = None
        self.lock = threading.RLock()
        self.replace_lock = threading.RLock()  # one delete-before-replace cascade at a time
        self._slots = threading.Semaphore(options.parallel)
        self._stopped = threading.Event()
        self._idle = threading.Condition()
        self._under_way = 0
        self._listener = listener
        self._listening = threading.RLock()  # a signal's handler speaks on the thread that may be speaking
        self.started = time.monotonic()

    # -- reporting

    def emit(self, event: Event) -> None:
        """Hand an event to the display, one at a time."""
        with self._listening:
            self._listener(event)

    def say(self, severity: str, message: str, urn: str = "") -> None:
        """A diagnostic."""
        self.emit(Diagnostic(severity, message, urn))

    # -- stopping

    @property
    def failed(self) -> bool:
        """Whether anything went wrong so far."""
        return bool(self.outcome.errors)

    def stop(self) -> None:
        """No new step; what runs may finish."""
        self._stopped.set()

    def check_running(self) -> None:
        """Raises Stopped when no new step may begin."""
        if self._stopped.is_set():
            raise Stopped("the run was stopped")

    def fail(self, error: EngineError, urn: str = "", reported: bool = False) -> None:
        """Remember and report a failure, unless it was `reported`; without --continue-on-error it ends the run."""
        with self.lock:
            reported |= any(str(error) == str(earlier) for earlier in self.outcome.errors)
            self.outcome.errors.append(error)
            if urn:
                self.outcome.failed.add(urn)
        if (
            not reported
        ):  # what affects one resource (no Docker) often affects others, which stop at the same moment
            self.say("error", str(error), urn)
        if not self.options.continue_on_error:
            self.stop()

    # -- doing

    def perform(self, op: Op, urn: str, keys: list[str], action: Callable[[], object]) -> None:
        """Run one step's action: limited in number, timed, reported and counted."""
        if _is_default_provider(urn):  # the user did not write it, so it is not reported (D7)
            with self._active():
                action()
            return
        names = tuple(keys)
        with self._slots, self._active():
            self.emit(StepStarted(op, urn, names))
            start = time.monotonic()
            try:
                action()
            except EngineError:
                self.emit(StepErred(op, urn, time.monotonic() - start))
                raise
        self.emit(StepDone(op, urn, time.monotonic() - start, names))
        with self.lock:
            if op is not Op.DELETE_REPLACED:
                self.outcome.changes["replace" if op is Op.CREATE_REPLACEMENT else op.value] += 1

    @contextmanager
    def _active(self) -> Iterator[None]:
        """A step under way: `drain` waits for it."""
        with self._idle:
            self.check_running()
            self._under_way += 1
        try:
            yield
        finally:
            with self._idle:
                self._under_way -= 1
                self._idle.notify_all()

    def drain(self) -> None:
        """Let no new step begin and wait until those under way have written down what they did."""
        self.stop()
        with self._idle:
            self._idle.wait_for(lambda: self._under_way == 0)

    def known(self, outputs: Properties) -> Properties:
        """Outputs without what the program cannot know because of a failure: the state holds no unknowns."""
        if self.options.preview:
            return outputs
        return {key: value for key, value in outputs.items() if not contains_unknown(value)}

    def set_outputs(self, state: Resource, outputs: Properties) -> None:
        """Give a registered component its outputs; the caller holds the lock."""
        finished = dataclasses.replace(state, outputs=self.known(outputs))
        self.journal.substitute(state, finished)
        self.news[state.urn] = finished

    # -- looking up

    def provider_of(self, resource: Resource) -> Provider:
        """The configured provider that serves a resource, also one that only the old state knows."""
        urn, id_ = split_reference(resource.provider)
        for known in (self.news.get(urn), *self.base.resources):
            if known is not None and known.urn == urn and known.id == id_:
                if known is not self.news.get(urn):
                    self.providers.ensure(known)
                return self.providers.get(resource.provider)
        raise StepFailed(
            resource.urn, f"the provider {resource.provider} of {resource.urn} is not in the state"
        )

    def remaining(self) -> list[Resource]:
        """States of earlier runs that this one has not registered, in the state's order."""
        mine = {id(resource) for resource in self.news.values()}
        return [resource for resource in self.journal.snapshot().resources if id(resource) not in mine]

    def ancestors(self, parent: str) -> list[str]:
        """URNs of the chain of parents, the nearest first."""
        chain = []
        while parent and parent in self.news:
            chain.append(parent)
            parent = self.news[parent].parent
        return chain

    def root(self) -> Resource | None:
        """The stack's own resource."""
        return next((r for r in self.news.values() if r.type == urns.STACK_TYPE), None)


def _is_default_provider(urn: str) -> bool:
    return urns.is_provider_type(urns.type_of(urn)) and urns.name_of(urn).startswith("default")
