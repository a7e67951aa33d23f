"""The engine's verbs (`up`, `preview`, `destroy`, ...): this process becomes the engine, with the same arguments."""

from __future__ import annotations

import os
import sys

from lab.deploying.engines import command_of, environment, make_official_stack

VERBS = {
    "up": "bring a stack to what the program declares",
    "preview": "show what `up` would do",
    "refresh": "update the state from what really exists",
    "destroy": "delete everything in a stack",
    "outputs": "print a stack's outputs",
    "config": "list, read or change a stack's configuration",
    "stack": "list, make or remove stacks",
    "export": "print a stack's state",
    "import": "replace a stack's state by an exported one",
    "cancel": "remove a stack's locks",
}


def run(arguments: list[str]) -> int:
    """Become the engine: `arguments` are a verb, its stack, and flags that are passed on. Does not return."""
    command = command_of(arguments)
    sys.stderr.write(f"engine: {'embedded' if command[0] == sys.executable else 'the official pulumi'}\n")
    sys.stderr.flush()
    make_official_stack(command, arguments)
    os.execve(command[0], command, {**os.environ, **environment()})
    raise AssertionError("execve does not return")
