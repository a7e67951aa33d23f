"""Running an engine as a command: the official `pulumi` when it is on PATH, else the embedded one.

Both see the same stacks: the same backend directory and the same passphrase file. Says in one line which one it took.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import sys
from pathlib import Path

from machine import places
from machine.commands import attached
from machine.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[1]
CHOICES = ("auto", "official", "embedded")
_OFFICIAL_WORDS = {
    "outputs": ["stack", "output"],
    "export": ["stack", "export"],
    "import": ["stack", "import"],
}
_UNATTENDED = {"up", "destroy", "refresh"}


def run(arguments: list[str]) -> int:
    """Become the engine: `arguments` are a verb, its stack, and flags that are handed on. Does not return."""
    command = command_of(arguments)
    sys.stderr.write(f"engine: {'embedded' if command[0] == sys.executable else 'the official pulumi'}\n")
    sys.stderr.flush()
    make_official_stack(command, arguments)
    os.execve(command[0], command, {**os.environ, **environment()})
    raise AssertionError("execve does not return")


def command_of(arguments: list[str]) -> list[str]:
    """The command that carries out a verb: `--engine` in the arguments decides, else what is on PATH."""
    choice, arguments = _choice(arguments)
    pulumi = shutil.which("pulumi") if choice != "embedded" else None
    if choice == "official" and pulumi is None:
        raise InvalidInput(
            "there is no official pulumi on PATH", "leave --engine away to use the embedded engine"
        )
    verb, rest = arguments[0], _with_stack(arguments[0], arguments[1:])
    return _official(pulumi, verb, rest) if pulumi else [sys.executable, "-m", "engine", verb, *rest]


def make_official_stack(command: list[str], arguments: list[str]) -> None:
    """The embedded engine makes a stack that has a file and no state yet; the official one wants to be told."""
    if command[0] == sys.executable or arguments[0] not in ("up", "preview") or "--stack" not in command:
        return
    name = command[command.index("--stack") + 1]
    if not list(places.state().glob(f".pulumi/stacks/*/{name}.json")):
        create = [command[0], "stack", "init", name, "--non-interactive"]
        attached(create, environment={**os.environ, **environment()}, directory=ROOT)


def environment() -> dict[str, str]:
    """What an engine needs to see the lab's stacks, where the user has not said otherwise."""
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
    return {name: os.environ.get(name) or value for name, value in found.items()}


def exports() -> str:
    """The same as lines for a shell: `eval "$(vmlab doctor --env)"`."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment().items())


def _choice(arguments: list[str]) -> tuple[str, list[str]]:
    for place, argument in enumerate(arguments):
        if argument == "--engine" or argument.startswith("--engine="):
            inline = argument.partition("=")[2]
            value = inline or (arguments[place + 1] if place + 1 < len(arguments) else "")
            if value not in CHOICES:
                raise InvalidInput(f"--engine is one of {', '.join(CHOICES)}, not {value!r}")
            return value, arguments[:place] + arguments[place + (1 if inline else 2) :]
    return "auto", arguments


def _with_stack(verb: str, rest: list[str]) -> list[str]:
    """`vmlab up STACK` is `engine up --stack STACK`. `config` and `stack` keep their words."""
    if verb in ("config", "stack") or not rest or rest[0].startswith("-"):
        return rest
    return ["--stack", rest[0], *rest[1:]]


def _official(pulumi: str, verb: str, rest: list[str]) -> list[str]:
    attended = sys.stdin.isatty() and not os.environ.get("CI")
    unattended = ["--yes"] if verb in _UNATTENDED and not attended and "--yes" not in rest else []
    return [pulumi, *_OFFICIAL_WORDS.get(verb, [verb]), *rest, *unattended]


def _make_passphrase(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    sys.stderr.write(f"made a passphrase for the stacks' secrets: {path}\n")
