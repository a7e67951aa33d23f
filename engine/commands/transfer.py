"""export and import: a stack's state out and in, in the official form."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from engine.commands.opening import open_session
from engine.errors import WrongUse
from engine.session import Session
from engine.state import checkpoint
from engine.state.lock import stack_lock
from engine.state.snapshot import problems


def run(options: argparse.Namespace) -> int:
    """Dispatch on the verb."""
    with closing(open_session(options, must_exist=options.verb == "export")) as session:
        return _export(options, session) if options.verb == "export" else _import(options, session)


def _export(options: argparse.Namespace, session: Session) -> int:
    session.read()
    data = checkpoint.export(session.snapshot, session.cipher, show_secrets=options.show_secrets)
    if options.file == "-":
        sys.stdout.write(data.decode() + "\n")
    else:
        path = Path(options.file)
        path.touch(mode=0o600)
        path.write_bytes(data)
    return 0


def _import(options: argparse.Namespace, session: Session) -> int:
    try:
        data = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
    except OSError as error:
        raise WrongUse(f"cannot read {options.file}: {error.strerror}") from None
    snapshot = checkpoint.load_export(data, session.open_cipher)
    prefix = f"urn:pulumi:{session.name}::{session.project.name}::"
    foreign = [r.urn for r in snapshot.resources if not r.urn.startswith(prefix)]
    wrong = problems(snapshot)
    if (foreign or wrong) and not options.force:
        what = f"{foreign[0]} is of another stack" if foreign else wrong[0]
        raise WrongUse(f"{options.file}: {what}", "add --force to import it all the same")
    snapshot.pending = []  # as the official import does
    with stack_lock(session.backend, session.project.name, session.name):
        session.write(snapshot)
    print(f"imported {len(snapshot.resources)} resources into {session.name}")
    return 0
