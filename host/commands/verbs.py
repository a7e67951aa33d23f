"""The verbs of `vmlab host` and `vmlab doctor`: results on standard output, progress on standard error.

Errors are raised (VmlabError and its exit_code); the command line prints them. Before the user agrees nothing is installed
and nothing is downloaded: a part's `needs` only checks. Out of scope: parsing arguments.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from host import packages, parts
from host.commands import doctor as examination
from host.reporting import Say, Status, timed
from machine import locks
from machine.errors import InvalidInput, Unavailable, VmlabError

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
    raise InvalidInput(f"host {verb}: unknown verb; known verbs: {', '.join(VERBS)}")


def up(chosen: Sequence[parts.Part], *, yes: bool, say: Say, as_json: bool) -> int:
    """Bring up what does not run, installing what it needs. What runs already is left as it is."""
    with locks.held("host", 120):
        waiting = [part for part in chosen if not _runs(part, say)]
        for part in waiting:
            part.needs()
        _install(waiting, yes=yes, say=say)
        for part in waiting:
            with timed(f"{part.NAME}: up", say):
                part.up(say)
        _print_status(chosen, as_json)
    return 0


def down(chosen: Sequence[parts.Part], *, force: bool, say: Say, as_json: bool) -> int:
    """Stop what `up` started, in reverse order. A part that fails does not keep the others running."""
    failures: list[VmlabError] = []
    with locks.held("host", 120):
        for part in reversed(chosen):
            try:
                with timed(f"{part.NAME}: done", say):
                    part.down(say, force=force)
            except VmlabError as error:
                failures.append(error)
        _print_status(chosen, as_json)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise VmlabError("\n".join(map(_explained, failures)))
    return 0


def _explained(error: VmlabError) -> str:
    """One of several errors with its next command, which the command line prints for a single one only."""
    return f"{error}\n  try: {error.next_command}" if error.next_command else str(error)


def status(chosen: Sequence[parts.Part], *, as_json: bool) -> int:
    """Print the parts' state; always 0."""
    _print_status(chosen, as_json)
    return 0


def doctor(*, as_json: bool) -> int:
    """Print all checks; 1 if a required one fails."""
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
        say(f"{part.NAME}: already running{'' if found.ours else ', not started by vmlab'} ({found.detail})")
    return found.state == "running"


def _install(waiting: Sequence[parts.Part], *, yes: bool, say: Say) -> None:
    """Ask once for all that will be installed or downloaded, then install the packages; `Part.up` downloads the rest."""
    names = packages.missing([package for part in waiting for package in part.PACKAGES])
    downloads = [f"{part.NAME}: {what}" for part in waiting for what in part.downloads()]
    if not (names or downloads):
        return
    if not yes and _interactive() and not _agreed(names, downloads):
        raise Unavailable("declined: nothing was installed or downloaded", "vmlab host up --yes")
    if names:
        with timed(f"packages: installed {' '.join(names)}", say):
            packages.install(names, say)


def _interactive() -> bool:
    """Whether a user can answer: both ends are a terminal, and CI is not set."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("CI", "") in ("", "false", "0")


def _agreed(names: Sequence[str], downloads: Sequence[str]) -> bool:
    if names:
        progress(f"Debian packages to install: {' '.join(names)}")
    for line in downloads:
        progress(f"to download for {line}")
    return input("Continue? [Y/n] ").strip().lower() in ("", "y", "yes")


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
