"""The command line's verbs. The engine's verbs are handed on as they are; the others are the lab's own.

argparse, and imports only inside the verb that needs them: `vmlab up` must not pay for what it does not use.
"""

from __future__ import annotations

import argparse
import sys

from lab import engine
from lab.errors import LabError

ENGINE_VERBS = {
    "up": "bring a stack to what the program says",
    "preview": "show what `up` would do",
    "refresh": "let the state learn what is really there",
    "destroy": "delete everything in a stack",
    "outputs": "print a stack's outputs",
    "config": "list, read or change a stack's configuration",
    "stack": "list, make or remove stacks",
    "export": "print a stack's state",
    "import": "replace a stack's state by an exported one",
    "cancel": "remove a stack's locks",
}


def main(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    try:
        return _run(arguments)
    except LabError as error:
        sys.stderr.write(f"error: {error}\n")
        if error.next_command:
            sys.stderr.write(f"  try: {error.next_command}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] in ENGINE_VERBS:
        return engine.run(arguments)
    if arguments and arguments[0] == "test":
        from lab.suite import run

        return run(arguments[1:])
    options = parser().parse_args(arguments)
    if options.verb == "doctor" and options.env:
        sys.stdout.write(engine.exports())
        return 0
    from host import commands

    if options.verb == "doctor":
        return commands.run("doctor", [], as_json=options.json, yes=True)
    return commands.run(
        options.action, options.part, as_json=options.json, yes=options.yes, force=options.force
    )


def parser() -> argparse.ArgumentParser:
    """The lab's own verbs; the engine's are listed for `--help`."""
    lines = [f"  {name:<8}  {text}" for name, text in ENGINE_VERBS.items()]
    top = argparse.ArgumentParser(
        prog="vmlab",
        description="An infrastructure lab: the same service on every substrate, measured and compared.",
        epilog="engine verbs (vmlab VERB STACK [flags]; `vmlab VERB --help` lists the flags):\n"
        + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="verb")
    doctor = verbs.add_parser(
        "doctor", help="what each part needs, what is missing, the command that mends it"
    )
    doctor.add_argument("--json", action="store_true", help="machine-readable output")
    doctor.add_argument("--env", action="store_true", help="print the environment for the official CLI")
    host = verbs.add_parser("host", help="set up this machine: up, status, down")
    host.add_argument("action", choices=["up", "status", "down"])
    host.add_argument("part", nargs="*", help="only these parts")
    host.add_argument("--json", action="store_true", help="machine-readable output")
    host.add_argument("--yes", "-y", action="store_true", help="do not ask")
    host.add_argument("--force", action="store_true", help="down: although something still uses it")
    verbs.add_parser("test", help="set up everything and run the tests (arguments go to pytest)")
    return top
