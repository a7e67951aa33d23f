"""Bad input: one clear line, what to type next, exit code 2; nothing is created, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project, command_line_error

SCHEMA = """name: tested
runtime: python
config:
  needed:
    type: integer
    description: How many.
"""


@pytest.mark.parametrize("verb", ["up", "outputs"])
def test_no_such_stack(project: Project, fake: FakeProvider, verb: str) -> None:
    """A stack that is not there is refused with the names of those that are."""
    project.program('Thing("a")')

    message = command_line_error(project.run(verb, "--stack", "prod", code=2))

    assert message == "no stack 'prod' of project 'tested'; there are: dev"
    assert fake.calls == []
    assert not project.backend.exists()


def test_no_stack_named(project: Project) -> None:
    """A command that needs a stack says so, and which ones there are."""
    del project.environment["PULUMI_STACK"]

    run = project.program().run("up", code=2)

    assert command_line_error(run) == "no stack was named"
    assert "--stack with one of: dev" in run.err


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "missing required config: needed"),
        ("many", "config key 'tested:needed' must be of type integer"),
    ],
    ids=["missing", "wrong-type"],
)
def test_config_that_the_project_asks_for(
    project: Project, fake: FakeProvider, value: str | None, says: str
) -> None:
    """A required config value that is missing or of another type is refused with its name, before anything is made."""
    (project.root / "Pulumi.yaml").write_text(SCHEMA)
    if value:
        project.run("config", "set", "needed", value)

    message = command_line_error(project.program('Thing("a")').run("up", code=2))

    assert says in message.replace("tested:needed", "needed" if value is None else "tested:needed")
    assert fake.calls == []


def test_config_that_the_program_asks_for(project: Project, fake: FakeProvider) -> None:
    """A value that only the program requires and that is missing is named, and nothing is made."""
    run = project.program('Thing("a")', 'pulumi.Config().require("token")').run("up", code=2)

    assert "tested:token" in run.err
    assert fake.changed == []


def test_config_key_that_is_not_there(project: Project) -> None:
    """Reading or removing a config key that is not set is refused with its name."""
    for action in ("get", "rm"):
        assert "no config key 'nothing'" in command_line_error(
            project.run("config", action, "nothing", code=2)
        )


def test_no_program(project: Project) -> None:
    """A project without a program is refused before anything is written."""
    (project.root / "Pulumi.yaml").write_text("name: tested\nruntime: python\nmain: elsewhere\n")

    assert "there is no program at" in command_line_error(project.run("up", code=2))
    assert not project.backend.exists()


def test_folder_without_a_main(project: Project) -> None:
    """A program folder without __main__.py is refused with its name."""
    run = project.run("up", code=2)

    assert "__main__" in command_line_error(run)


def test_no_project(project: Project) -> None:
    """Outside of a project the command says which file it looked for."""
    (project.root / "Pulumi.yaml").unlink()

    assert "no Pulumi.yaml" in command_line_error(project.run("up", code=2))


@pytest.mark.parametrize("text", ["name: [", "runtime: python", "name: x\nruntime: nodejs"])
def test_broken_project_file(project: Project, text: str) -> None:
    """A project file that cannot be read, has no name or another language is refused with its path."""
    (project.root / "Pulumi.yaml").write_text(text)

    assert "Pulumi.yaml" in command_line_error(project.run("up", code=2))


def test_wrong_passphrase(project: Project, fake: FakeProvider) -> None:
    """With a wrong passphrase nothing is done, and with the right one all is as before (1.5)."""
    project.run("config", "set", "token", "--secret", stdin=project.canary)
    project.program('Thing("a", token=pulumi.Config().get_secret("token"))').up()
    before = project.state_file.read_bytes()
    fake.well()
    right = project.environment["PULUMI_CONFIG_PASSPHRASE"]
    for verb, wrong in (("up", {"PULUMI_CONFIG_PASSPHRASE": "wrong"}), ("destroy", {})):
        del project.environment["PULUMI_CONFIG_PASSPHRASE"]
        project.environment |= wrong
        assert "passphrase" in command_line_error(project.run(verb, code=2))
        project.environment["PULUMI_CONFIG_PASSPHRASE"] = right

    assert fake.changed == []
    assert project.state_file.read_bytes() == before
    assert project.up().changes == {}


def test_broken_state_names_its_backup(project: Project, fake: FakeProvider) -> None:
    """A damaged state is never taken for an empty stack: the newest readable backup is named, and works (1.6.6)."""
    project.program('Thing("a")').up()
    whole = project.state_file.read_bytes()
    fake.well()

    for damaged in (whole[:200], b"", b"hello"):
        project.state_file.write_bytes(damaged)
        child = project.start("up")
        out, err = child.communicate(timeout=30)
        assert child.returncode == 2, out + err
        assert "the state is damaged" in err

    command = next(line for line in err.splitlines() if line.startswith("  try: cp "))
    backup, target = command.split()[2:]
    assert target == str(project.state_file)
    project.state_file.write_bytes(Path(backup).read_bytes())
    assert project.up().changes == {}
    assert fake.changed == []


def test_unknown_dynamic_provider_module(project: Project) -> None:
    """A dynamic provider whose module cannot be found fails the run with a word on it, and nothing is pending."""
    project.program("import thing", 'thing.Thing("a")').up()
    (project.root / "thing.py").rename(project.root / "moved.py")

    run = project.destroy(code=1)

    assert any("thing" in text for text in run.said("error"))
    assert project.names() == ["a"]


@pytest.mark.parametrize(
    ("line", "says", "code"),
    [
        ('pulumi.ComponentResource("fake:index:Far", "far", {}, None, True)', "uses remote components", 2),
        (
            'Thing("b", opts=ResourceOptions(replace_with=[Thing("a")]))',
            "ReplaceWith",
            1,
        ),  # the SDK's refusal
    ],
    ids=["by-the-engine", "by-the-sdk"],
)
def test_unsupported_option_is_refused(
    project: Project, fake: FakeProvider, line: str, says: str, code: int
) -> None:
    """An option that this engine does not carry out is refused by name, never ignored (E9)."""
    run = project.program(line).run("up", code=code)

    assert says in run.err
    assert "run_until_complete" not in run.err
    assert fake.changed == []


def test_malformed_timeout(project: Project, fake: FakeProvider) -> None:
    """A duration that is none is refused with what it says (B10)."""
    line = 'Thing("a", opts=ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="soon")))'

    run = project.program(line).run("up", code=2)

    assert "soon" in run.err
    assert fake.changed == []


@pytest.mark.parametrize("arguments", [["up", "--parallel", "0"], ["up", "--wrong"], ["fly"]])
def test_wrong_arguments(project: Project, arguments: list[str]) -> None:
    """Arguments that are wrong end with the usage and exit code 2."""
    assert "usage:" in project.run(*arguments, code=2).err
