"""stack ls, stack init, stack rm, cancel: stacks as such."""

from __future__ import annotations

import argparse
import json
from contextlib import closing

from engine.commands.opening import open_project, open_session
from engine.errors import WrongUse
from engine.state.lock import cancel, stack_lock
from engine.state.snapshot import Snapshot
from engine.urn import STACK_TYPE


def run(options: argparse.Namespace) -> int:
    """Dispatch on verb and action."""
    if options.verb == "cancel":
        return _cancel(options)
    return {"ls": _list, "init": _init, "rm": _remove}[options.action](options)


def _list(options: argparse.Namespace) -> int:
    project, backend = open_project(options)
    names = [entry.stack for entry in backend.stacks(project.name)]
    print(
        json.dumps([{"name": name} for name in names])
        if options.json
        else "\n".join(names) or "no stacks yet"
    )
    return 0


def _init(options: argparse.Namespace) -> int:
    from engine.session import Session

    project, backend = open_project(options, stack=True)
    if backend.exists(project.name, options.stack):
        raise WrongUse(f"the stack {options.stack!r} exists already")
    with closing(Session(project, options.stack, backend, {})) as session:
        session.write(Snapshot())
    print(f"made the stack {options.stack}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    with (
        closing(open_session(options, must_exist=True)) as session,
        stack_lock(session.backend, session.project.name, session.name),
    ):
        session.read()
        left = [r for r in session.snapshot.resources if r.type != STACK_TYPE]
        pending = [op for op in session.snapshot.pending if op.type == "creating"]
        if (left or pending) and not options.force:
            what = f"{len(left)} resources" if left else f"{len(pending)} interrupted creates"
            raise WrongUse(
                f"the stack {session.name!r} still has {what}",
                f"python -m engine destroy --stack {session.name}",
            )
        session.backend.remove(session.project.name, session.name)
    print(f"removed the stack {session.name}")
    return 0


def _cancel(options: argparse.Namespace) -> int:
    project, backend = open_project(options, stack=True)
    holders = cancel(backend, project.name, options.stack)
    print("\n".join(f"removed the lock of {holder}" for holder in holders) or "there was no lock")
    return 0
