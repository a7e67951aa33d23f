"""The command line: the lab's own verbs with argparse; the engine's verbs are passed on as they were typed.

Imports only inside the verb that needs them: `vmlab up` must not pay for what it does not use.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Any

from catalogue.substrates import InvalidPlugin
from lab.commands import engine, options
from machine.errors import Unavailable, VmlabError

# `lab/commands/<verb>.py`, `run(options)`.
OWN_VERBS = ("run", "measure", "compare", "report", "ladder", "boundaries", "gc")
_Verbs = argparse._SubParsersAction  # which argparse does not name in public


def main(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    try:
        return _run(arguments)
    except Unavailable as error:
        # `host` and `test` fail (1) where a part is not available; 3 is "nothing could be measured".
        code = 1 if arguments[:1] in (["host"], ["test"]) and error.exit_code == 3 else error.exit_code
        return _explain(error.reason, error.fix, code)
    except VmlabError as error:
        return _explain(str(error), error.next_command, error.exit_code)
    except InvalidPlugin as error:
        return _explain(str(error), "", error.exit_code)
    except KeyboardInterrupt:
        return 130


def _explain(text: str, command: str, code: int) -> int:
    sys.stderr.write(f"error: {text}\n")
    if command:
        sys.stderr.write(f"  try: {command}\n")
    return code


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] in engine.VERBS:
        return engine.run(options.taken_from(arguments))
    if arguments and arguments[0] == "test":
        from lab.commands import suite

        return suite.run(arguments[1:])
    found = parser().parse_args(arguments)
    if found.verb in OWN_VERBS:
        options.choose(found)
        code: int = importlib.import_module(f"lab.commands.{found.verb}").run(found)
        return code
    if found.verb == "doctor" and found.env:
        from lab.deploying.engines import exports

        sys.stdout.write(exports())
        return 0
    from host.commands import verbs

    if found.verb == "doctor":
        return verbs.run("doctor", [], as_json=found.json, yes=True)
    return verbs.run(found.action, found.part, as_json=found.json, yes=found.yes, force=found.force)


class Verb(argparse.ArgumentParser):
    """Words and flags of a verb in any order: argparse alone takes all words in one run, and refuses `host up --yes docker`."""

    _intermixed = True

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As in argparse; it is called again for the words and for the flags."""
        if not self._intermixed:
            return super().parse_known_args(args, namespace)
        self._intermixed = False
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixed = True


def parser() -> argparse.ArgumentParser:
    """The lab's own verbs; the engine's are listed for `--help`."""
    lines = [f"  {name:<8}  {text}" for name, text in engine.VERBS.items()]
    top = argparse.ArgumentParser(
        prog="vmlab",
        description="An infrastructure lab: the same service on every substrate, measured and compared.",
        epilog="engine verbs (vmlab VERB STACK [flags]; `vmlab VERB --help` lists the flags;\n"
        "`up` and `preview` take --accelerator, --kubeconfig and --context, as `run` does):\n"
        + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="verb", parser_class=Verb)
    _host(verbs)
    _measuring(verbs)
    _results(verbs)
    _isolation(verbs)
    gc = verbs.add_parser("gc", help="remove everything that carries the lab's labels")
    gc.add_argument("--dry-run", action="store_true", help="only list it")
    gc.add_argument("--json", action="store_true", help="as JSON")
    verbs.add_parser("test", help="set up what the tests need and run them (arguments go to pytest)")
    return top


def _host(verbs: _Verbs[Verb]) -> None:
    doctor = verbs.add_parser(
        "doctor", help="check prerequisites of each part and print how to fix what is missing"
    )
    doctor.add_argument("--json", action="store_true", help="machine-readable output")
    doctor.add_argument("--env", action="store_true", help="print the environment for the official CLI")
    host = verbs.add_parser("host", help="set up this machine: up, status, down")
    host.add_argument("action", choices=["up", "status", "down"])
    host.add_argument("part", nargs="*", help="only these parts")
    host.add_argument("--json", action="store_true", help="machine-readable output")
    host.add_argument("--yes", "-y", action="store_true", help="do not ask")
    host.add_argument("--force", action="store_true", help="down: even if something still uses it")


def _measuring(verbs: _Verbs[Verb]) -> None:
    run = verbs.add_parser("run", help="everything: set up, deploy, measure, compare, destroy, report")
    measure = verbs.add_parser("measure", help="measure the stacks that are up")
    quick = "6 boots instead of 25; without named stacks, one for each kind of substrate"
    for verb in (run, measure):
        verb.add_argument("stack", nargs="*", help="only these stacks")
        verb.add_argument("--quick", action="store_true", help=quick)
        _seed(verb)
        options.add(verb)
        verb.add_argument("--json", action="store_true", help="the comparison as JSON")
    run.add_argument("--yes", "-y", action="store_true", help="do not ask before installing")
    run.add_argument("--service", metavar="TOML", help="measure this service of yours instead of the lab's")


def _results(verbs: _Verbs[Verb]) -> None:
    compare = verbs.add_parser("compare", help="the table of a run, or of several")
    compare.add_argument("run", nargs="*", help="the newest run if none is named")
    compare.add_argument("--json", action="store_true", help="as JSON")
    compare.add_argument("--markdown", action="store_true", help="as Markdown")
    compare.add_argument("--csv", action="store_true", help="as CSV")
    report = verbs.add_parser("report", help="one offline HTML file")
    report.add_argument("run", nargs="?", default="", help="the newest run if none is named")
    report.add_argument(
        "--output", metavar="FILE", default="", help="the file to write; by default in the run's folder"
    )


def _isolation(verbs: _Verbs[Verb]) -> None:
    ladder = verbs.add_parser(
        "ladder", help="the cost of each kernel feature between a process and a cluster"
    )
    ladder.add_argument("--quick", action="store_true", help="6 boots of each step instead of 25")
    _seed(ladder)
    ladder.add_argument("--json", action="store_true", help="the figures as JSON")
    boundaries = verbs.add_parser("boundaries", help="what each substrate isolates, seen from inside")
    boundaries.add_argument("stack", nargs="*", help="only these stacks; those that are up if none is named")
    boundaries.add_argument("--json", action="store_true", help="as JSON")
    boundaries.add_argument("--markdown", action="store_true", help="as Markdown")


def _seed(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--seed", type=int, help="of the shuffled order; drawn and recorded if not given")
