"""The command line's arguments: `python -m engine <verb> ...`, with the official CLI's verbs and flags."""

from __future__ import annotations

import argparse
import os


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="python -m engine", description="The embedded deployment engine.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="verb")
    _runs(verbs)
    _outputs(verbs)
    _config(verbs)
    _stacks(verbs)
    return top


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, *, inner: bool = False
) -> argparse.ArgumentParser:
    """A verb with the options all have; an inner one (`config set`) does not reset what the outer was given."""
    verb = verbs.add_parser(name, help=text, description=text)

    def default(value: object) -> object:
        return argparse.SUPPRESS if inner else value

    stack = default(os.environ.get("PULUMI_STACK", ""))
    verb.add_argument("--stack", "-s", default=stack, help="the stack's name")
    verb.add_argument("--cwd", "-C", default=default("."), help="the program's folder (with Pulumi.yaml)")
    verb.add_argument(
        "--config-file", default=default(""), help="the stack's configuration, if in another file"
    )
    verb.add_argument("--json", action="store_true", default=default(False), help="machine-readable output")
    return verb


def _runs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    texts = {
        "preview": "show what `up` would do",
        "up": "bring the stack to what the program declares",
        "refresh": "let the state learn what is really there",
        "destroy": "delete everything in the stack",
    }
    for name, text in texts.items():
        verb = _verb(verbs, name, text)
        verb.add_argument(
            "--parallel", "-p", type=_count, default=(os.cpu_count() or 1) * 4, help="steps at once"
        )
        verb.add_argument(
            "--target", "-t", action="append", default=[], metavar="URN", help="only this; may have *"
        )
        verb.add_argument("--target-dependents", action="store_true", help="and what depends on the targets")
        verb.add_argument("--expect-no-changes", action="store_true", help="fail if anything would change")
        verb.add_argument("--yes", "-y", action="store_true", help="do not ask")
        verb.add_argument(
            "--continue-on-error", action="store_true", help="a failure does not stop the others"
        )
        verb.add_argument("--message", "-m", default="", help="a note for the stack's history")
        if name in ("up", "destroy"):
            verb.add_argument("--refresh", "-r", action="store_true", help="refresh first")
            verb.add_argument("--skip-preview", "-f", action="store_true", help="do not look before")
        if name == "destroy":
            verb.add_argument("--remove", action="store_true", help="remove the empty stack as well")


def _outputs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "outputs", "print the stack's outputs")
    verb.add_argument("name", nargs="?", default="", help="only this one, bare")
    verb.add_argument("--show-secrets", action="store_true", help="in the clear")


def _config(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "config", "list, read or change the stack's configuration")
    verb.add_argument("--show-secrets", action="store_true", help="in the clear")
    verb.set_defaults(action="list")
    actions = verb.add_subparsers(dest="action", metavar="action")
    texts = {"get": "print one value", "set": "set a value", "rm": "remove a value"}
    for name, text in texts.items():
        action = _verb(actions, name, text, inner=True)
        action.add_argument("--path", action="store_true", help="the key is a path into a structured value")
        action.add_argument("key")
        if name == "set":
            action.add_argument("--secret", action="store_true", help="encrypt the value")
            action.add_argument("value", nargs="?", default=None, help="`-` or nothing: from standard input")


def _stacks(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    stack = _verb(verbs, "stack", "list, make or remove stacks")
    stack.add_argument("action", nargs="?", default="ls", choices=["ls", "init", "rm"])
    stack.add_argument("--force", action="store_true", help="rm: although resources remain")
    stack.add_argument("--yes", "-y", action="store_true", help="do not ask")
    export = _verb(verbs, "export", "print the stack's state")
    export.add_argument("--file", default="-", help="where to")
    export.add_argument("--show-secrets", action="store_true", help="in the clear")
    imported = _verb(verbs, "import", "replace the stack's state by an exported one")
    imported.add_argument("--file", default="-", help="where from")
    imported.add_argument("--force", action="store_true", help="although it is another stack's")
    _verb(verbs, "cancel", "remove the stack's locks")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
