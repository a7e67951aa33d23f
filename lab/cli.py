"""The command line's verbs. The engine's verbs are handed on as they are; the others are the lab's own.

argparse, and imports only inside the verb that needs them: `vmlab up` must not pay for what it does not use.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from lab import accelerator, cluster, engine
from machine.errors import Unavailable, VmlabError

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


OWN_VERBS = {
    "run": ("lab.run", "run"),
    "measure": ("lab.run", "measure_only"),
    "compare": ("lab.show", "compare"),
    "report": ("lab.show", "report"),
    "ladder": ("lab.ladder.verb", "run"),
    "boundaries": ("lab.boundaries.verb", "run"),
    "gc": ("lab.gc", "run"),
}


def main(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    try:
        return _run(arguments)
    except Unavailable as error:
        # `host` and `test` fail (1) where a part cannot be had; 3 is "nothing could be measured".
        code = 1 if arguments[:1] in (["host"], ["test"]) and error.exit_code == 3 else error.exit_code
        return _explain(error.reason, error.fix, code)
    except VmlabError as error:
        return _explain(str(error), error.next_command, error.exit_code)
    except KeyboardInterrupt:
        return 130


def _explain(text: str, command: str, code: int) -> int:
    sys.stderr.write(f"error: {text}\n")
    if command:
        sys.stderr.write(f"  try: {command}\n")
    return code


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] in ENGINE_VERBS:
        return engine.run(cluster.taken_from(accelerator.taken_from(arguments)))
    if arguments and arguments[0] == "test":
        from lab.suite import run

        return run(arguments[1:])
    options = parser().parse_args(arguments)
    if options.verb in OWN_VERBS:
        accelerator.choose(getattr(options, "accelerator", None))
        for flag in cluster.FLAGS:
            cluster.choose(flag, getattr(options, flag.lstrip("-"), None))
        module, function = OWN_VERBS[options.verb]
        code: int = getattr(importlib.import_module(module), function)(options)
        return code
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
        epilog="engine verbs (vmlab VERB STACK [flags]; `vmlab VERB --help` lists the flags;\n"
        "`up` and `preview` take --accelerator, --kubeconfig and --context, as `run` does):\n"
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
    _measuring(verbs)
    verbs.add_parser("test", help="set up everything and run the tests (arguments go to pytest)")
    return top


def _measuring(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = verbs.add_parser("run", help="the whole story: set up, stand up, measure, compare, tear down")
    measure = verbs.add_parser("measure", help="measure what is up")
    for verb in (run, measure):
        verb.add_argument("stack", nargs="*", help="only these stacks")
        verb.add_argument(
            "--quick",
            action="store_true",
            help="6 boots instead of 25, of a stack for each kind of substrate",
        )
        verb.add_argument("--seed", type=int, help="of the shuffled order; drawn and kept when not given")
        verb.add_argument("--accelerator", choices=["auto", "kvm", "tcg"], help=accelerator.HELP)
        for flag, text in cluster.HELP.items():
            verb.add_argument(flag, metavar=flag.lstrip("-").upper(), help=text)
        verb.add_argument("--json", action="store_true", help="the comparison as JSON")
    run.add_argument("--yes", "-y", action="store_true", help="do not ask before installing")
    run.add_argument("--service", metavar="TOML", help="measure this service of yours instead of the lab's")
    compare = verbs.add_parser("compare", help="the table of a run, or of several")
    compare.add_argument("run", nargs="*", help="the newest run if none is named")
    compare.add_argument("--json", action="store_true", help="as JSON")
    compare.add_argument("--markdown", action="store_true", help="as Markdown")
    compare.add_argument("--csv", action="store_true", help="as CSV")
    report = verbs.add_parser("report", help="one offline HTML file")
    report.add_argument("run", nargs="?", default="", help="the newest run if none is named")
    report.add_argument(
        "--output", metavar="FILE", default="", help="where to; in the run's folder by default"
    )
    _isolation(verbs)
    gc = verbs.add_parser("gc", help="remove everything that carries the lab's labels")
    gc.add_argument("--dry-run", action="store_true", help="only list it")
    gc.add_argument("--json", action="store_true", help="as JSON")


def _isolation(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    ladder = verbs.add_parser("ladder", help="what each kernel feature between a process and a cluster costs")
    ladder.add_argument("--quick", action="store_true", help="6 boots of each step instead of 25")
    ladder.add_argument("--seed", type=int, help="of the shuffled order; drawn and kept when not given")
    ladder.add_argument("--json", action="store_true", help="the figures as JSON")
    boundaries = verbs.add_parser("boundaries", help="what each substrate keeps apart, seen from inside")
    boundaries.add_argument("stack", nargs="*", help="only these stacks; what is up if none is named")
    boundaries.add_argument("--json", action="store_true", help="as JSON")
    boundaries.add_argument("--markdown", action="store_true", help="as Markdown")
