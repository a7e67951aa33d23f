"""The journal: what a run did so far, saved in the order that makes a crash harmless (docs/engine-rules.md F1 to
F6).

`begin` saves that a provider is about to be called, `finish` saves what came of it; both return when that is
on the disk. Callers are many threads, the disk is one: a single writer saves whatever has gathered since its
last save, so ten steps that end together cost one save (group commit), not ten.

A snapshot is what the run made, then what it has not reached of the base, then what is under way. Resources
are known by identity and never changed once they are handed over. Out of scope: where and how the bytes go
(`write`).
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable

from engine.errors import EngineError
from engine.state.checkpoint import ENGINE_VERSION
from engine.state.resource import PendingOperation, Resource
from engine.state.snapshot import Snapshot, problems

Write = Callable[[Snapshot], None]


class Journal:
    """One run's changes to one state. With no `write`, as in a preview, nothing is checked or saved."""

    def __init__(self, base: Snapshot, write: Write | None) -> None:
        """`base` is left as it is; nothing is written before the first change."""
        self._from = base
        self._base = list(base.resources)
        self._new: list[Resource] = []
        # F3: creates that an earlier run left behind; its other operations are simply done again.
        self._interrupted = [op for op in base.pending if op.type == "creating"]
        self._pending: list[PendingOperation] = []
        self._write = write
        self._condition = threading.Condition()
        self._made = 0  # changes so far
        self._wanted = 0  # the last change that a caller waits for
        self._saved = 0  # the last change that is on the disk
        self._failure: EngineError | None = None  # nothing can be saved any more
        self._invalid: EngineError | None = None  # saved, but against the rules
        self._closed = write is None
        self._writer: threading.Thread | None = None

    # -- changes

    def begin(self, type: str, resource: Resource) -> PendingOperation:  # noqa: A002 - Pulumi's word
        """Save that `resource` is about to be created, updated, deleted, read or imported."""
        # A copy, so that the caller may still fill in its own object until it hands that over to `finish`.
        operation = PendingOperation(dataclasses.replace(resource), type)
        with self._condition:
            self._pending.append(operation)
            self._change(durable=True)
        return operation

    def finish(
        self,
        operation: PendingOperation,
        *,
        add: Resource | None = None,
        drop: Resource | None = None,
        keep_pending: bool = False,
    ) -> None:
        """Save what an operation led to. `keep_pending`: its answer was lost, a later run settles it."""
        with self._condition:
            if not keep_pending:
                self._pending = _without(self._pending, operation)
            missing = self._replace(add, drop)
            self._change(durable=True)
        _complain(missing)

    def record(
        self, *, add: Resource | None = None, drop: Resource | None = None, durable: bool = False
    ) -> None:
        """A step that called no provider; saved with the next save, or at the end (F5)."""
        with self._condition:
            missing = self._replace(add, drop)
            self._change(durable)
        _complain(missing)

    def substitute(self, old: Resource, new: Resource | None) -> None:
        """Put `new` exactly where `old` is, or nothing; saved with the next save."""
        self.substitute_all([(old, new)])

    def substitute_all(self, pairs: Iterable[tuple[Resource, Resource | None]]) -> None:
        """Several substitutions that are never saved apart."""
        with self._condition:
            missing = [old for old, new in pairs if not self._put(old, new)]
            self._change(durable=False)
        _complain(missing[0] if missing else None)

    def adopt(self, operation: PendingOperation, found: Resource | None) -> None:
        """Settle a create that an earlier run left behind: what it had made becomes a part of the base."""
        with self._condition:
            self._interrupted = _without(self._interrupted, operation)
            if found is not None:
                self._base.append(found)
            self._change(durable=True)

    def discard_pending(self, operation: PendingOperation) -> None:
        """Forget a create that an earlier run left behind: nothing had been made, or it was deleted."""
        self.adopt(operation, None)

    def snapshot(self) -> Snapshot:
        """The state as it is now."""
        with self._condition:
            return dataclasses.replace(
                self._from,
                resources=[*self._new, *self._base],
                pending=[*self._pending, *self._interrupted],
                manifest={},  # a new one is written
                metadata={
                    key: value for key, value in self._from.metadata.items() if key != "integrity_error"
                },
            )

    def close(self) -> None:
        """Save what no caller waited for, end the writer; raise if the state could not be saved as it should."""
        with self._condition:
            if not self._closed:
                self._wanted = self._made
                self._closed = True
                self._start_writer()
                self._condition.notify_all()
        if self._writer is not None:
            self._writer.join()
        if error := self._failure or self._invalid:
            raise error

    # -- inside

    def _replace(self, add: Resource | None, drop: Resource | None) -> Resource | None:
        """Add before dropping: if `drop` is unknown, what was made is still saved before that is raised."""
        if add is not None:
            self._new.append(add)
        return drop if drop is not None and not self._put(drop, None) else None

    def _put(self, old: Resource, new: Resource | None) -> bool:
        for resources in (self._new, self._base):
            for place, resource in enumerate(resources):
                if resource is old:
                    resources[place : place + 1] = [] if new is None else [new]
                    return True
        return False

    def _change(self, durable: bool) -> None:
        """Count a change; if `durable`, wait until it is saved. The condition is held."""
        if self._write is None:
            return
        if self._closed:
            raise EngineError("the state was changed after the run had ended")
        self._made += 1
        if not durable:
            return
        mine = self._wanted = self._made
        self._start_writer()
        self._condition.notify_all()
        self._condition.wait_for(lambda: self._saved >= mine or self._failure)
        if error := self._failure or self._invalid:
            raise error

    def _start_writer(self) -> None:
        if self._writer is None and self._wanted > self._saved:
            self._writer = threading.Thread(target=self._save_all, name="journal", daemon=True)
            self._writer.start()

    def _save_all(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._wanted > self._saved or self._closed)
                if self._wanted <= self._saved:
                    return
                saving, snapshot = self._made, self.snapshot()
            failure = self._save(snapshot)
            with self._condition:
                self._failure = failure
                self._saved = self._saved if failure else saving
                self._condition.notify_all()
            if failure:
                return

    def _save(self, snapshot: Snapshot) -> EngineError | None:
        assert self._write is not None
        try:
            if found := problems(snapshot):  # written all the same: it may hold things that exist (F6)
                self._invalid = EngineError(f"the state breaks Pulumi's rules: {'; '.join(found)}")
                snapshot.metadata["integrity_error"] = {"version": ENGINE_VERSION, "error": "; ".join(found)}
            self._write(snapshot)
        except EngineError as error:
            return error
        except Exception as error:  # noqa: BLE001 - every failure must reach the threads that wait
            failure = EngineError(f"the state could not be saved: {error}")
            failure.__cause__ = error
            return failure
        return None


def _without(operations: list[PendingOperation], gone: PendingOperation) -> list[PendingOperation]:
    return [operation for operation in operations if operation is not gone]


def _complain(missing: Resource | None) -> None:
    if missing is not None:
        raise EngineError(f"{missing.urn}: the journal does not hold the state that was to be replaced")
