"""Which engine is run, with which words, and what both are told about the stacks."""

from __future__ import annotations

import shlex
import stat
import sys
from pathlib import Path

import pytest

from lab.deploying import engines
from machine.errors import InvalidInput

VARIABLES = (
    "PULUMI_BACKEND_URL",
    "PULUMI_HOME",
    "PULUMI_SKIP_UPDATE_CHECK",
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
)
EMBEDDED = [sys.executable, "-m", "engine"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Own folders, an empty PATH, and nothing said by the user."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "home"


@pytest.fixture
def pulumi(tmp_path: Path) -> str:
    """An official CLI on PATH."""
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return str(program)


def test_the_embedded_engine_where_there_is_no_other() -> None:
    """Without pulumi on PATH the embedded engine gets the verb, the stack, and every flag as it was typed."""
    flags = ["--json", "--target", "urn:a b", "-C", "/elsewhere"]

    assert engines.command_of(["up", "docker", *flags]) == [*EMBEDDED, "up", "--stack", "docker", *flags]


def test_the_official_engine_where_it_is(pulumi: str) -> None:
    """With pulumi on PATH it is taken, and told not to ask where nobody sits."""
    assert engines.command_of(["up", "docker"]) == [pulumi, "up", "--stack", "docker", "--yes"]
    assert engines.command_of(["preview", "docker"]) == [pulumi, "preview", "--stack", "docker"]


@pytest.mark.parametrize("verb", ["up", "destroy", "refresh"])
def test_yes_is_said_once(pulumi: str, verb: str) -> None:
    """A --yes of the user's is not said again."""
    assert engines.command_of([verb, "docker", "--yes"]).count("--yes") == 1


@pytest.mark.parametrize(
    ("verb", "words"),
    [("outputs", ["stack", "output"]), ("export", ["stack", "export"]), ("import", ["stack", "import"])],
)
def test_words_of_the_official_engine(pulumi: str, verb: str, words: list[str]) -> None:
    """Verbs that the official CLI calls otherwise are translated."""
    assert engines.command_of([verb, "docker"]) == [pulumi, *words, "--stack", "docker"]


@pytest.mark.parametrize("spelling", [["--engine", "embedded"], ["--engine=embedded"]])
@pytest.mark.parametrize("first", [True, False])
def test_the_user_overrides(pulumi: str, spelling: list[str], first: bool) -> None:
    """--engine decides wherever and however it is spelled, and is not handed on."""
    rest = [*spelling, "docker"] if first else ["docker", *spelling]

    assert engines.command_of(["up", *rest]) == [*EMBEDDED, "up", "--stack", "docker"]


def test_an_engine_that_is_not_there() -> None:
    """Asking for an official CLI that is absent is wrong use, with the way out."""
    with pytest.raises(InvalidInput, match="no official pulumi") as raised:
        engines.command_of(["up", "docker", "--engine", "official"])

    assert raised.value.exit_code == 2
    assert "--engine" in raised.value.next_command


@pytest.mark.parametrize("flags", [["--engine", "other"], ["--engine"], ["--engine="]])
def test_an_engine_that_does_not_exist(flags: list[str]) -> None:
    """A wrong or missing name of an engine is wrong use."""
    with pytest.raises(InvalidInput, match="auto, official, embedded"):
        engines.command_of(["up", "docker", *flags])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["--skip-preview"], []),
        (["--target", "urn:vm", "-p", "4"], ["--json"]),
        (["--message=of vm", "--message", "vm"], []),
        (["--engine", "embedded", "-f"], ["-y"]),
    ],
)
def test_a_stack_behind_flags(before: list[str], after: list[str]) -> None:
    """`vmlab up --skip-preview vm` means the stack vm: the first word that is neither a flag nor a flag's value."""
    flags = [word for word in [*before, *after] if word not in ("--engine", "embedded")]

    assert engines.command_of(["up", *before, "vm", *after]) == [*EMBEDDED, "up", "--stack", "vm", *flags]


def test_a_stack_that_is_named_by_its_flag() -> None:
    """--stack is passed on as it was typed, and another word is not taken for a stack."""
    words = ["outputs", "--stack", "vm", "url"]

    assert engines.command_of(words) == [*EMBEDDED, *words]


@pytest.mark.parametrize("verb", ["config", "stack"])
def test_verbs_with_words_of_their_own(verb: str) -> None:
    """`config set` and `stack ls` are words, not stacks."""
    assert engines.command_of([verb, "ls"]) == [*EMBEDDED, verb, "ls"]


def test_the_environment_of_both(home: Path) -> None:
    """State, plugins and passphrase lie in the lab's own folder; the passphrase is readable by its owner only."""
    found = engines.environment()

    passphrase = Path(found["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert found["PULUMI_BACKEND_URL"] == f"file://{home / 'state'}"
    assert passphrase.is_relative_to(home / "state")
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    assert len(passphrase.read_text().strip()) >= 32


def test_a_passphrase_is_made_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The second run reads what the first one made and announced: another would lose every secret."""
    first = Path(engines.environment()["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text()
    said = capsys.readouterr().err
    second = Path(engines.environment()["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text()

    assert first == second
    assert "made a passphrase" in said
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_the_users_passphrase_is_used(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the user named a passphrase, even an empty one, none is made."""
    monkeypatch.setenv(name, "/mine" if name.endswith("FILE") else "")

    found = engines.environment()

    assert not (home / "state" / "passphrase").exists()
    assert found.get("PULUMI_CONFIG_PASSPHRASE_FILE", "/mine") == "/mine"


def test_lines_for_a_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`doctor --env` survives a folder with a blank and a quote in its name."""
    folder = tmp_path / "it's here"
    monkeypatch.setenv("VMLAB_HOME", str(folder))

    lines = [shlex.split(line) for line in engines.exports().splitlines()]

    assert all(words[0] == "export" and len(words) == 2 for words in lines)
    assert ["export", f"PULUMI_BACKEND_URL=file://{folder / 'state'}"] in lines


def test_an_empty_passphrase_is_refused(home: Path) -> None:
    """A file that a full disk left empty is not used, because it would encrypt secrets with nothing."""
    (home / "state").mkdir(parents=True)
    (home / "state" / "passphrase").write_text("\n")

    with pytest.raises(InvalidInput, match="is empty") as error:
        engines.environment()

    assert str(home / "state" / "passphrase") in error.value.next_command
