"""Which engine is run, with which words and environment: the official `pulumi` when it is on PATH, else the embedded one.

Both see the same stacks: the same backend directory and the same passphrase file. Out of scope: running it
(`lab/commands/engine.py` becomes it, `lab/deploying/stacks.py` waits for it).
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from catalogue import substrates
from machine import files, places
from machine.commands import attached
from machine.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]
CHOICES = ("auto", "official", "embedded")
RUNS_PROGRAM = ("up", "preview")  # the engine's verbs that run the program
_OFFICIAL_WORDS = {
    "outputs": ["stack", "output"],
    "export": ["stack", "export"],
    "import": ["stack", "import"],
}
_UNATTENDED = ("up", "destroy", "refresh")
_CONFIGURED = (*RUNS_PROGRAM, "refresh", "destroy")  # that read the stack's file, and have --config-file
_WITHOUT_STACK = ("config", "stack")  # whose first word is an action
# The engines' flags that are followed by a value (`engine/cli.py`, `pulumi up --help`): it is not a stack.
_VALUES = (
    "--cwd", "-C", "--parallel", "-p", "--target", "-t", "--message", "-m", "--file", "--config-file", "--config", "-c",
    "--replace", "--target-replace", "--exclude", "--color", "--policy-pack", "--profiling",
)  # fmt: skip


class Flags(argparse.ArgumentParser):
    """Takes our own flags out of an engine's arguments; the others stay as they were typed. InvalidInput, not a usage text."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False, exit_on_error=False)

    def error(self, message: str) -> NoReturn:
        raise InvalidInput(message)

    def taken_from(self, arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
        """The values of our flags, and the other arguments; InvalidInput when a flag has no value."""
        try:
            return self.parse_known_args(arguments)
        except argparse.ArgumentError as error:
            raise InvalidInput(str(error)) from None


def command_of(arguments: list[str]) -> list[str]:
    """The command that carries out a verb: `--engine` in the arguments decides, else what is on PATH."""
    flags = Flags()
    flags.add_argument("--engine", nargs="?", const="", default="auto")
    ours, (verb, *rest) = flags.taken_from(arguments)
    if ours.engine not in CHOICES:
        raise InvalidInput(f"--engine is one of {', '.join(CHOICES)}, not {ours.engine!r}")
    pulumi = shutil.which("pulumi") if ours.engine != "embedded" else None
    if ours.engine == "official" and pulumi is None:
        raise InvalidInput(
            "there is no official pulumi on PATH", "leave --engine out to use the embedded engine"
        )
    rest = _with_stack(verb, rest)
    return _official(pulumi, verb, rest) if pulumi else [sys.executable, "-m", "engine", verb, *rest]


def make_official_stack(command: list[str], arguments: list[str]) -> None:
    """The embedded engine makes a stack that has a file and no state yet; the official one requires `stack init`."""
    if command[0] == sys.executable or arguments[0] not in RUNS_PROGRAM or "--stack" not in command:
        return
    name = command[command.index("--stack") + 1]
    if not list(places.state().glob(f".pulumi/stacks/*/{name}.json")):
        create = [command[0], "stack", "init", name, "--non-interactive"]
        attached(create, environment={**os.environ, **environment()}, directory=ROOT)


def environment() -> dict[str, str]:
    """What an engine needs to see the lab's stacks, where the user has not set it."""
    state = places.state()
    found = {
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_HOME": str(state / "pulumi-home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    if "PULUMI_CONFIG_PASSPHRASE" not in os.environ:
        found["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(state / "passphrase")
        if "PULUMI_CONFIG_PASSPHRASE_FILE" not in os.environ:
            _make_passphrase(state / "passphrase")
    found = {name: os.environ.get(name) or value for name, value in found.items()}
    if folders := plugin_folders():  # whose components and providers the program's processes import
        found["PYTHONPATH"] = os.pathsep.join(
            [*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
    return found


def exports() -> str:
    """The same as lines for a shell: `eval "$(vmlab doctor --env)"`."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment().items())


def stack_file(stack: str) -> Path:
    """A stack's configuration file: in `stacks/`, or in the plug-in whose stack it is."""
    for folder in plugin_folders():
        if (path := folder / "stacks" / f"Pulumi.{stack}.yaml").is_file():
            return path
    return ROOT / "stacks" / f"Pulumi.{stack}.yaml"


def plugin_folders() -> list[Path]:
    """The folders of plug-ins, none twice."""
    return list(dict.fromkeys(row.folder for row in substrates.known().values() if row.folder))


def _with_stack(verb: str, rest: list[str]) -> list[str]:
    """`vmlab up [flags] STACK [flags]` is `engine up --stack STACK [flags]`. `config` and `stack` keep their words."""
    if verb in _WITHOUT_STACK:
        return rest
    flags = Flags()
    flags.add_argument("--stack", "-s", default="")
    for name in _VALUES:
        flags.add_argument(name)
    found, others = flags.taken_from(rest)
    stack = found.stack or next((word for word in others if not word.startswith("-")), "")
    if not found.stack and stack:
        # A flag's value that is the same word may go instead: the words that stay are equal.
        place = rest.index(stack)
        rest = ["--stack", stack, *rest[:place], *rest[place + 1 :]]
    path = stack_file(stack)
    of_plugin = verb in _CONFIGURED and path.is_file() and not path.is_relative_to(ROOT / "stacks")
    return [*rest, "--config-file", str(path)] if of_plugin else rest


def _official(pulumi: str, verb: str, rest: list[str]) -> list[str]:
    attended = sys.stdin.isatty() and not os.environ.get("CI")
    unattended = ["--yes"] if verb in _UNATTENDED and not attended and "--yes" not in rest else []
    return [pulumi, *_OFFICIAL_WORDS.get(verb, [verb]), *rest, *unattended]


def _make_passphrase(path: Path) -> None:
    """Whole or not at all: an empty one, as a full disk left it, would encrypt secrets with nothing."""
    if path.exists():
        if not path.read_text().strip():
            raise InvalidInput(
                f"the passphrase file {path} is empty", f"restore it, or, if no stack has a secret, rm {path}"
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if files.create(path, secrets.token_urlsafe(32) + "\n"):
        sys.stderr.write(f"made a passphrase for the stacks' secrets: {path}\n")
