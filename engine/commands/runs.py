"""preview, up, refresh, destroy: the verbs that run something."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from types import FrameType
from typing import TYPE_CHECKING, TypeAlias

from engine import urn as urns
from engine.commands.opening import load_config, open_session
from engine.deploy.deployment import Options
from engine.deploy.events import Diagnostic
from engine.deploy.stack_operation import Operation, Result
from engine.errors import EngineError
from engine.program.source import ProgramSource
from engine.session import Session
from engine.state import checkpoint
from engine.state.history import add_history
from engine.state.lock import stack_lock
from engine.state.snapshot import Snapshot

if TYPE_CHECKING:
    from engine.display.json_lines import JsonLines
    from engine.display.plain_text import PlainText
    from engine.display.terminal import Terminal

    Display: TypeAlias = JsonLines | PlainText | Terminal


def run(options: argparse.Namespace) -> int:
    """Run one verb."""
    display = _display(options.json)
    with (
        closing(display),
        closing(open_session(options, must_exist=options.verb in ("refresh", "destroy"))) as session,
    ):
        return Run(options, session, display).run()


class Run:
    """One verb on one stack."""

    def __init__(self, options: argparse.Namespace, session: Session, display: Display) -> None:
        self._options = options
        self._session = session
        self._display = display
        limits = Options(
            parallel=options.parallel,
            targets=tuple(options.target),
            target_dependents=options.target_dependents,
            continue_on_error=options.continue_on_error,
        )
        self._operation = Operation(session, limits, display.show)
        self._sources: list[ProgramSource] = []

    def run(self) -> int:
        """Do it; the exit code."""
        verb = self._options.verb
        runs = {"preview": 1, "up": 1 if getattr(self._options, "skip_preview", False) else 2}
        self._sources = [self._session.prepare_program() for _ in range(runs.get(verb, 0))]
        if verb == "preview":
            self._load()
            return self._judge(self._preview())
        with stack_lock(self._session.backend, self._session.project.name, self._session.name, self._warn):
            self._load()
            self._catch_signals()
            started = int(time.time())
            result = self._change(verb)
            if result is None:
                return 0
            self._remember(verb, result, started)
        if verb == "destroy" and self._options.remove and result.exit_code == 0:
            self._session.backend.remove(self._session.project.name, self._session.name)
        return self._judge(result)

    # -- the verbs

    def _preview(self) -> Result:
        self._display.header(
            f"Previewing {self._options.verb.replace('preview', 'up')} ({self._session.name}):"
        )
        return self._operation.preview(self._next_source())

    def _change(self, verb: str) -> Result | None:
        """Recover, look, ask, do. None when the user declined."""
        recovered = self._operation.recover()
        if verb == "refresh" or self._options.refresh:
            self._display.header(f"Refreshing ({self._session.name}):")
            result = self._operation.refresh()
            if verb == "refresh" or result.errors:
                return result
        if not self._options.skip_preview:
            result = self._preview()
            if result.errors or (self._options.expect_no_changes and result.changed):
                return result
            if not self._agreed(result):
                return None
        self._display.header(f"{'Destroying' if verb == 'destroy' else 'Updating'} ({self._session.name}):")
        result = self._operation.up(self._next_source())
        result.mutated |= recovered.mutated
        return result

    def _judge(self, result: Result) -> int:
        if result.exit_code == 0 and self._options.expect_no_changes and result.changed:
            self._warn(f"no changes were expected, but there are {result.changed}", "error")
            return 1
        return result.exit_code

    # -- around them

    def _next_source(self) -> ProgramSource | None:
        if self._options.verb == "destroy":
            return None
        source = self._sources.pop(0)
        source.configure(self._session.config.values, self._session.config.secret_keys)
        return source

    def _load(self) -> None:
        """State, configuration and, in the background, the providers that the state needs."""
        session = self._session
        if session.exists():
            session.read()
        load_config(session)
        for warning in session.config.warnings:
            self._warn(warning)
        for resource in session.snapshot.resources:
            if urns.is_provider_type(resource.type) and session.loader.known(urns.package_of(resource.type)):
                arguments = (urns.package_of(resource.type), resource.urn)
                threading.Thread(target=_preload, args=(session.loader.load, *arguments), daemon=True).start()
        if self._options.verb == "preview" and session.snapshot.pending:
            self._warn(
                f"{len(session.snapshot.pending)} operations of an interrupted run are settled by the next up"
            )

    def _agreed(self, result: Result) -> bool:
        if self._options.yes or not result.changed or not sys.stdin.isatty() or os.environ.get("CI"):
            return True
        return input(f"Perform this {self._options.verb}? [y/N] ").strip().lower() in ("y", "yes")

    def _remember(self, verb: str, result: Result, started: int) -> None:
        """History and backup, as the official engine keeps them."""
        session = self._session
        if session.exists():
            add_history(
                session.backend,
                session.project.name,
                session.name,
                checkpoint.dump(session.snapshot, session.reference, session.cipher),
                kind="update" if verb == "up" else verb,
                started=started,
                result="failed" if result.errors else "succeeded",
                message=self._options.message,
                changes=result.changes,
            )
            session.backend.backup(session.project.name, session.name)
        elif not result.errors:
            session.write(Snapshot())

    def _catch_signals(self) -> None:
        """First: no new step, running ones may finish. Second: end at once, the state is as it was last saved (F13)."""
        seen: list[int] = []

        def handler(number: int, frame: FrameType | None) -> None:
            if seen:
                os._exit(128 + number)
            seen.append(number)
            self._warn("stopping: what is under way may finish; once more to end at once")
            if self._operation.current is not None:
                self._operation.current.outcome.errors.append(EngineError("stopped by the user"))
                self._operation.current.stop()
            threading.Thread(target=self._end_children, daemon=True).start()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, handler)

    def _end_children(self) -> None:
        for provider in self._session.loader.running():
            provider.cancel()
        self._session.end_programs()

    def _warn(self, text: str, severity: str = "warning") -> None:
        self._display.show(Diagnostic(severity, text))


def _preload(load: Callable[[str, str], object], package: str, urn: str) -> None:
    """Start a provider early; if that fails, the step that needs it reports it."""
    with suppress(Exception):  # the same future raises it again where it matters
        load(package, urn)


def _display(as_json: bool) -> Display:
    if as_json:
        from engine.display.json_lines import JsonLines

        return JsonLines()
    if sys.stdout.isatty():
        from engine.display.terminal import Terminal

        return Terminal()
    from engine.display.plain_text import PlainText

    return PlainText()
