"""`--accelerator`: which verbs take it, how it travels, and what is refused before anything is made."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from lab import cli
from lab.commands import engine, options
from lab.deploying.outputs import Outputs
from machine.errors import InvalidInput
from substrates.vm import accelerator as proof


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing said by the environment, and nothing said to later tests."""
    monkeypatch.setenv(proof.VARIABLE, "auto")
    monkeypatch.setattr(proof, "some_kernel", lambda: Path("vmlinuz"))
    monkeypatch.setattr(proof, "can_prove", lambda: True)


@pytest.fixture
def handed_on(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the engine is given."""
    seen: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        seen.append(arguments)
        return 0

    monkeypatch.setattr(engine, "run", run)
    return seen


def environment() -> str:
    """What the engine and its program inherit."""
    return os.environ[proof.VARIABLE]


@pytest.mark.parametrize("words", [["--accelerator", "tcg"], ["--accelerator=tcg"]])
@pytest.mark.parametrize("verb", ["up", "preview"])
def test_the_engine_gets_it_as_a_variable(handed_on: list[list[str]], verb: str, words: list[str]) -> None:
    """The flag is ours: the engine sees the others as they were typed, and its program the variable."""
    assert cli.main([verb, "vm", *words, "--json"]) == 0

    assert handed_on == [[verb, "vm", "--json"]]
    assert environment() == "tcg"


def test_other_verbs_keep_their_words(handed_on: list[list[str]]) -> None:
    """Where no guest is made the flag is not ours to take, and the engine says that it does not know it."""
    cli.main(["destroy", "vm", "--accelerator", "tcg"])

    assert handed_on == [["destroy", "vm", "--accelerator", "tcg"]]


@pytest.mark.parametrize("words", [["--accelerator", "xen"], ["--accelerator=xen"], ["--accelerator"]])
@pytest.mark.parametrize("verb", ["up", "preview"])
def test_a_wrong_word_is_exit_code_2(
    handed_on: list[list[str]], capsys: pytest.CaptureFixture[str], verb: str, words: list[str]
) -> None:
    """It is refused with the words there are, and no engine is run."""
    assert cli.main([verb, "vm", *words]) == 2

    assert "--accelerator is one of auto, kvm, tcg" in capsys.readouterr().err
    assert handed_on == []


@pytest.mark.parametrize("verb", ["run", "measure"])
def test_a_wrong_word_for_the_labs_own_verbs(verb: str) -> None:
    """They refuse it with their usage."""
    with pytest.raises(SystemExit) as raised:
        cli.main([verb, "--accelerator", "xen"])

    assert raised.value.code == 2


@pytest.mark.parametrize("verb", ["up", "preview", "run", "measure"])
def test_a_wrong_word_in_the_environment_is_exit_code_2(
    handed_on: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
) -> None:
    """The variable is checked as the flag is."""
    monkeypatch.setenv(proof.VARIABLE, "xen")

    assert cli.main([verb, "process"]) == 2

    assert "VMLAB_ACCELERATOR is one of auto, kvm, tcg, not 'xen'" in capsys.readouterr().err
    assert handed_on == []


@pytest.mark.parametrize("verb", ["run", "measure"])
def test_the_labs_own_verbs_set_it(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` and `measure` start engines, which inherit it."""
    seen: list[str] = []

    def note(_: object) -> int:
        seen.append(environment())
        return 0

    monkeypatch.setattr(importlib.import_module(f"lab.commands.{verb}"), "run", note)

    cli.main([verb, "--accelerator", "tcg"])
    cli.main([verb])

    assert seen == ["tcg", "tcg"]


@pytest.mark.parametrize("verb", ["up", "preview", "run", "measure"])
def test_unusable_kvm_is_refused_before_anything(
    handed_on: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
) -> None:
    """Whoever insists on KVM where it was seen to fail reads why, and no engine is run."""

    def refuse(_: Path) -> None:
        raise InvalidInput("KVM was asked for and cannot be used: it hung")

    monkeypatch.setattr(proof, "proven", refuse)

    assert cli.main([verb, "process", "--accelerator", "kvm"]) == 2

    assert capsys.readouterr().err == "error: KVM was asked for and cannot be used: it hung\n"
    assert handed_on == []


def test_what_cannot_be_proven_yet_is_left_to_the_program(
    handed_on: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a new machine QEMU comes with `host up`: that it is absent now is no verdict."""
    monkeypatch.setattr(proof, "can_prove", lambda: False)

    assert cli.main(["up", "vm", "--accelerator", "kvm"]) == 0
    assert environment() == "kvm"


def outputs(accelerator: str) -> Outputs:
    """Those of a stack that is up under this accelerator."""
    conditions = {"accelerator": accelerator} if accelerator else {}
    return {
        "substrate": "vm",
        "url": "",
        "instance": {"path": "/", "echoes_nonce": True},
        "artifact": "",
        "limits": {"cpus": 1, "memory_bytes": 1, "enforced": True},
        "conditions": conditions,
    }


def test_the_words_are_the_substrates() -> None:
    """The command line has the substrate's own list of accelerators, without importing it."""
    assert options.ACCELERATORS == proof.CHOICES


def test_a_stack_that_is_up_under_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies are made as the stack is; what was asked for would be said of numbers that are not so."""
    monkeypatch.setenv(proof.VARIABLE, "kvm")
    with pytest.raises(InvalidInput, match="'vm' is up under tcg, and kvm was asked for"):
        options.refuse_another("vm", outputs("tcg"))
    options.refuse_another("process", outputs(""))

    for word, found in (("auto", "tcg"), ("tcg", "tcg")):
        monkeypatch.setenv(proof.VARIABLE, word)
        options.refuse_another("vm", outputs(found))
