"""The stacks from the lab's side: which there are, and the engine's verbs on them as commands."""

from __future__ import annotations

import json
import os
import re
import sys
import time

from catalogue import substrates
from lab.deploying.engines import (
    ROOT,
    command_of,
    environment,
    make_official_stack,
    plugin_folders,
    stack_file,
)
from lab.deploying.outputs import Outputs
from machine import places
from machine.commands import attached, run
from machine.errors import InvalidInput, VmlabError


def known() -> list[str]:
    """Stacks with a configuration file, in the order of the lesson: nearest to the bare machine first."""
    folders = [ROOT, *plugin_folders()]
    paths = [path for folder in folders for path in (folder / "stacks").glob("Pulumi.*.yaml")]
    names = sorted(path.stem.removeprefix("Pulumi.") for path in paths)
    order = substrates.lesson()
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))


def substrate_of(stack: str) -> str:
    """What a stack runs on, by its configuration file."""
    text = stack_file(stack).read_text(encoding="utf-8")
    found = re.search(r"^\s*vmlab:substrate:\s*(\S+)\s*$", text, re.MULTILINE)
    return found[1] if found else ""


def chosen(names: list[str], *, quick: bool = False) -> list[str]:
    """The stacks that were named, or all, or those of a quick run; InvalidInput for one that does not exist."""
    unknown = [name for name in names if name not in known()]
    if unknown:
        raise InvalidInput(f"no stack {unknown[0]!r}; there are: {', '.join(known())}")
    return names or [name for name in known() if not quick or name in substrates.quick()]


def up(stack: str, *flags: str) -> float:
    """Bring a stack up; the seconds it took. VmlabError when the engine failed; it has printed why.

    A cluster is refreshed first: after a reboot or `host down --force` it is a new one, and the state describes the old."""
    refreshed = ["--refresh"] if substrate_of(stack) == "kubernetes" else []
    return _timed("up", stack, *refreshed, *flags)


def destroy(stack: str, *flags: str) -> float:
    """Destroy a stack; the seconds it took."""
    return _timed("destroy", stack, *flags)


def outputs(stack: str) -> Outputs:
    """What a stack exports; VmlabError when it is not up."""
    try:
        text = run(_command("outputs", stack, "--json"))
    except VmlabError as error:
        last = str(error).splitlines()[-1].strip()
        raise VmlabError(f"stack {stack!r} is not up ({last})", f"vmlab up {stack}") from None
    found: Outputs = json.loads(text)
    if missing := [name for name in Outputs.__annotations__ if name not in found]:
        raise VmlabError(f"stack {stack!r} is not up (no output {missing[0]!r})", f"vmlab up {stack}")
    return found


def running() -> list[str]:
    """The stacks that are up; VmlabError when none is."""
    found = []
    for name in known():
        try:
            outputs(name)
        except VmlabError:
            continue
        found.append(name)
    if not found:
        raise VmlabError("no stack is up", "vmlab up process")
    return found


def with_state() -> list[str]:
    """Stacks that have a state."""
    listed = json.loads(run(_command("stack", "ls", "--json")))
    return [row["name"] for row in listed]


def only_locked() -> list[str]:
    """Stacks without a state whose lock a killed engine left: it had not written anything yet."""
    locks = {path.parent.name for path in (places.state() / ".pulumi" / "locks").rglob("*.json")}
    return sorted(locks & set(known()) - set(with_state()))


def make_empty(stack: str) -> None:
    """Give a stack an empty state, so that it can be destroyed like any other."""
    try:
        run(_command("stack", "init", "--stack", stack))
    except VmlabError as error:
        raise VmlabError(str(error), f"vmlab cancel {stack}") from None


def _timed(verb: str, stack: str, *flags: str) -> float:
    start = time.monotonic()
    command = command_of([verb, stack, "--yes", *flags])
    make_official_stack(command, [verb])
    code = attached(_ending_with_us(command), environment={**os.environ, **environment()}, directory=ROOT)
    if code:
        raise VmlabError(f"{verb} of stack {stack!r} failed with code {code}", f"vmlab {verb} {stack}")
    return time.monotonic() - start


def _ending_with_us(command: list[str]) -> list[str]:
    """When the lab is killed the embedded engine ends too, and what it was doing is pending in its state for `gc`.

    Else it would go on creating things that a `gc` running meanwhile cannot see. The official one is left alone."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *command] if command[0] == sys.executable else command


def _command(*arguments: str) -> list[str]:
    """`env -C` so that the command runs in the project, with the engine's environment."""
    given = [f"{name}={value}" for name, value in environment().items()]
    return ["env", "-C", str(ROOT), *given, *command_of(list(arguments))]
