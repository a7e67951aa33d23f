"""The command line: exit codes, one clear line for an error, and a start that costs nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from host import parts
from host.commands import verbs as commands
from lab import cli
from lab.commands import engine
from machine.errors import InvalidInput, Unavailable, VmlabError

ROOT = Path(__file__).resolve().parents[3]


def raising(error: Exception) -> Callable[..., int]:
    """A verb that fails so."""

    def verb(*_: object, **__: object) -> int:
        raise error

    return verb


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["host"], ["host", "sideways"], ["doctor", "--loudly"], ["host", "up", "--no"]]
)
def test_wrong_use_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What the command line does not know is refused with the usage."""
    with pytest.raises(SystemExit) as raised:
        cli.main(arguments)

    assert raised.value.code == 2
    assert "usage: vmlab" in capsys.readouterr().err


def test_an_unknown_part_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """A part that does not exist is one line that names those that do; nothing is started."""
    assert cli.main(["host", "status", "submarine"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: unknown part: submarine")
    assert all(name in said for name in parts.KNOWN)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (VmlabError("it broke", "repair it"), 1),
        (InvalidInput("not so", "repair it"), 2),
        (Unavailable("not here", "repair it"), 1),
        (VmlabError("it broke\n  next: repair it"), 1),
    ],
)
def test_an_error_is_a_line_and_a_way_out(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every error ends with what to do next, and never with a traceback."""
    monkeypatch.setattr(commands, "run", raising(error))

    assert cli.main(["host", "status"]) == code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "repair it" in said
    assert "Traceback" not in said


def test_host_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts and flags of `host` reach the verb as they were typed."""
    seen: list[object] = []

    def run(*words: object, **flags: object) -> int:
        seen.append((words, flags))
        return 0

    monkeypatch.setattr(commands, "run", run)

    assert cli.main(["host", "down", "registry", "docker", "--json", "--yes", "--force"]) == 0

    assert seen == [(("down", ["registry", "docker"]), {"as_json": True, "yes": True, "force": True})]


def test_every_verb_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The help names the lab's verbs and the engine's."""
    with pytest.raises(SystemExit) as raised:
        cli.main(["--help"])

    shown = capsys.readouterr().out
    assert raised.value.code == 0
    assert all(verb in shown for verb in (*engine.VERBS, *cli.OWN_VERBS, "host", "doctor", "test"))


def test_the_way_to_the_engine_is_light() -> None:
    """`vmlab up` loads the standard library only: what it loads is paid before every engine run."""
    program = "import sys, lab.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {program}"]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    foreign = (
        loaded
        - sys.stdlib_module_names
        - {"__main__", "catalogue", "clients", "host", "lab", "machine", "substrates"}
    )
    assert not foreign


@pytest.mark.parametrize(
    "words",
    [
        ["host", "up", "--yes", "docker", "registry", "--json"],
        ["host", "--json", "up", "docker", "--yes", "registry"],
        ["host", "up", "docker", "registry", "--yes", "--json"],
    ],
)
def test_flags_and_words_in_any_order(words: list[str]) -> None:
    """A flag between the words of a verb, as people type it, is not an error."""
    found = cli.parser().parse_args(words)

    assert (found.action, found.part, found.yes, found.json) == ("up", ["docker", "registry"], True, True)
