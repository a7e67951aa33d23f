"""The operations: preview, up, refresh, destroy, each over an opened stack.

`up` runs the program twice, like the official engine: once to see what would be done and to have every input checked
before anything is created, then for real. Providers and the interpreter of the second run are started with the first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.deploy.deletes import delete_unwanted
from engine.deploy.deployment import Deployment, Options, Stopped
from engine.deploy.events import Listener, Summary
from engine.deploy.program_run import ProgramRun
from engine.deploy.provider_resources import ProviderResources
from engine.deploy.recovery import recover
from engine.deploy.refresh import refresh as refresh_all
from engine.errors import EngineError
from engine.program.source import ProgramSource
from engine.session import Session
from engine.state.journal import Journal
from engine.state.snapshot import Snapshot
from engine.values import masked


@dataclass
class Result:
    """How an operation ended."""

    changes: dict[str, int] = field(default_factory=dict)
    errors: list[EngineError] = field(default_factory=list)
    mutated: bool = False

    @property
    def exit_code(self) -> int:
        """0 done; 2 bad input and nothing was touched; 1 otherwise."""
        if not self.errors:
            return 0
        harmless = not self.mutated and all(error.exit_code == 2 for error in self.errors)
        return 2 if harmless else 1

    @property
    def changed(self) -> int:
        """How many resources were, or would be, changed."""
        return sum(count for op, count in self.changes.items() if op not in ("same", "read"))


class Operation:
    """One command's work on one stack. `current` is the run that a signal has to stop."""

    def __init__(self, session: Session, options: Options, listener: Listener) -> None:
        self._session = session
        self._options = options
        self._listener = listener
        self.current: Deployment | None = None

    def preview(self, source: ProgramSource | None) -> Result:
        """What `up` (or, without a source, `destroy`) would do. Nothing is written."""
        return self._run(source, preview=True)

    def up(self, source: ProgramSource | None) -> Result:
        """Bring the stack to what the program declares; without a source, delete everything in it."""
        return self._run(source, preview=False)

    def refresh(self) -> Result:
        """Let the state learn what is really there."""
        return self._with_deployment(False, refresh_all)

    def recover(self) -> Result:
        """Settle the creates that an interrupted run left pending."""
        if not any(operation.type == "creating" for operation in self._session.snapshot.pending):
            return Result()
        return self._with_deployment(False, recover, summary=False)

    def _run(self, source: ProgramSource | None, preview: bool) -> Result:
        def body(deployment: Deployment) -> None:
            succeeded = source is None or self._serve(deployment, source)
            if succeeded and not deployment.failed:
                delete_unwanted(deployment)
            if source is not None:
                _finish_outputs(deployment)
                _drop_settled(deployment)
            else:
                _report_unsettled(deployment)

        return self._with_deployment(preview, body)

    def _serve(self, deployment: Deployment, source: ProgramSource) -> bool:
        socket = self._session.socket("monitor")
        served = ProgramRun(deployment, source, socket, self._session.project.root)
        self._session.closing.append(served.close)
        return served.run()

    def _with_deployment(
        self, preview: bool, body: Callable[[Deployment], object], *, summary: bool = True
    ) -> Result:
        session = self._session
        base = session.snapshot
        journal = Journal(base, None if preview else session.write)
        providers = ProviderResources(session.loader, session.config.values, session.config.secret_keys)
        options = Options(**{**vars(self._options), "preview": preview})
        deployment = Deployment(
            session.name, session.project.name, _copy(base), journal, providers, options, self._listener
        )
        self.current = deployment
        session.loader.say = lambda line: deployment.say("info", line)
        try:
            body(deployment)
        except Stopped:
            pass
        except EngineError as error:
            deployment.fail(error)
        self._close(deployment, preview)
        if summary:
            self._summarise(deployment, preview)
        outcome = deployment.outcome
        return Result(dict(outcome.changes), outcome.errors, outcome.mutated)

    def _close(self, deployment: Deployment, preview: bool) -> None:
        try:
            deployment.journal.close()
        except EngineError as error:
            deployment.fail(error)
        if not preview:
            self._session.snapshot = deployment.journal.snapshot()

    def _summarise(self, deployment: Deployment, preview: bool) -> None:
        outputs = deployment.stack_outputs or {}
        shown = {key: masked(value) for key, value in outputs.items()}
        seconds = time.monotonic() - deployment.started
        outcome = deployment.outcome
        deployment.emit(Summary(dict(outcome.changes), seconds, shown, outcome.corrupt, preview))


def _copy(base: Snapshot) -> Snapshot:
    """The run's own lists of the same records: a preview marks and renames without a trace."""
    return Snapshot(resources=list(base.resources), pending=list(base.pending), salt=base.salt)


def _finish_outputs(deployment: Deployment) -> None:
    """The stack's outputs: the new ones; after a failure laid over the old (D2)."""
    root = deployment.root()
    if root is None or deployment.stack_outputs is None:
        return
    new = deployment.stack_outputs
    deployment.set_outputs(root, {**root.outputs, **deployment.known(new)} if deployment.failed else new)


def _drop_settled(deployment: Deployment) -> None:
    """A pending create whose resource exists now, because the program created it again, is settled."""
    for operation in deployment.base.pending:
        state = deployment.news.get(operation.resource.urn)
        if operation.type == "creating" and state is not None and state.id:
            deployment.journal.discard_pending(operation)


def _report_unsettled(deployment: Deployment) -> None:
    for operation in deployment.base.pending:
        if operation.type == "creating":
            message = f"{operation.resource.urn} may still exist: its create was interrupted and it cannot be looked up"
            deployment.fail(EngineError(message), operation.resource.urn)
