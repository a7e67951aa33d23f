"""The verbs of `vmlab host` and `vmlab doctor`: results on standard output, progress on standard error.

Errors are raised (VmlabError and its exit_code); the command line turns them into a line. Left out: parsing arguments.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from host import doctor as examination
from host import packages, parts
from host.parts.status import Status
from machine import locks
from machine.errors import InvalidInput, Unavailable, VmlabError

Say = Callable[[str], None]
VERBS = ("up", "down", "status", "doctor")


def run(verb: str, names: list[str], *, as_json: bool, yes: bool, force: bool = False) -> int:
    """Do the verb on the named parts, or all; the exit code. `doctor` looks at everything."""
    chosen = parts.choose(names)
    if verb == "up":
        return up(chosen, yes=yes, say=progress, as_json=as_json)
    if verb == "down":
        return down(chosen, force=force, say=progress, as_json=as_json)
    if verb == "status":
        return status(chosen, as_json=as_json)
    if verb == "doctor":
        return doctor(as_json=as_json)
    raise InvalidInput(f"host {verb}: no such verb; there are: {', '.join(VERBS)}")


def up(chosen: Sequence[parts.Part], *, yes: bool, say: Say, as_json: bool) -> int:
    """Bring up what does not run, installing what it needs. What runs already is left as it is."""
    with locks.held("host", 120):
        waiting = [part for part in chosen if not _runs(part, say)]
        for part in waiting:
            part.needs()
        _install(waiting, yes=yes, say=say)
        for part in waiting:
            with _timed(f"{part.NAME}: up", say):
                part.up(say)
        _print_status(chosen, as_json)
    return 0


def down(chosen: Sequence[parts.Part], *, force: bool, say: Say, as_json: bool) -> int:
    """Stop what `up` started, in reverse order. One part that fails does not keep the others up."""
    failures = []
    with locks.held("host", 120):
        for part in reversed(chosen):
            try:
                with _timed(f"{part.NAME}: done", say):
                    part.down(say, force=force)
            except VmlabError as error:
                failures.append(str(error))
        _print_status(chosen, as_json)
    if failures:
        raise VmlabError("\n".join(failures))
    return 0


def status(chosen: Sequence[parts.Part], *, as_json: bool) -> int:
    """Print what is; 0 whether it runs or not, for nothing failed."""
    _print_status(chosen, as_json)
    return 0


def doctor(*, as_json: bool) -> int:
    """Print all checks; 1 if something that is needed is missing."""
    found = examination.checks()
    if as_json:
        _print(json.dumps([asdict(check) for check in found], indent=2))
    else:
        for check in found:
            _print(_line(check.name, check.state, check.detail, check.fix))
    return 1 if any(check.state == "missing" for check in found) else 0


def progress(line: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _runs(part: parts.Part, say: Say) -> bool:
    found = part.status()
    if found.state == "running":
        say(f"{part.NAME}: already running{'' if found.ours else ', not ours'} ({found.detail})")
    return found.state == "running"


def _install(waiting: Sequence[parts.Part], *, yes: bool, say: Say) -> None:
    names = packages.missing([package for part in waiting for package in part.PACKAGES])
    if not names:
        return
    if not yes and _interactive() and not _agreed(names):
        raise Unavailable("nothing was installed, as you said", "vmlab host up --yes")
    with _timed(f"packages: installed {' '.join(names)}", say):
        packages.install(names, say)


def _interactive() -> bool:
    """Somebody sits there: both ends are a terminal, and no CI says otherwise."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("CI", "") in ("", "false", "0")


def _agreed(names: Sequence[str]) -> bool:
    progress(f"to install: {' '.join(names)}")
    return input("go on? [Y/n] ").strip().lower() in ("", "y", "yes")


@contextmanager
def _timed(what: str, say: Say) -> Iterator[None]:
    started = time.monotonic()
    yield
    say(f"{what} ({time.monotonic() - started:.1f} s)")


def _print_status(chosen: Sequence[parts.Part], as_json: bool) -> None:
    found: list[Status] = [part.status() for part in chosen]
    if as_json:
        _print(json.dumps({one.name: asdict(one) for one in found}, indent=2))
        return
    for one in found:
        owner = ", ours" if one.ours and one.state == "running" else ""
        _print(_line(one.name, one.state + owner, one.detail, "" if one.state == "running" else one.fix))


def _line(name: str, state: str, detail: str, fix: str) -> str:
    line = f"{name:<10} {state:<13} {detail}"
    return f"{line}\n{'':<11}fix: {fix}" if fix else line


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
