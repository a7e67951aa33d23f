"""Secrets: encrypted in the state, masked on the terminal, and never less secret for having been to a provider."""

from __future__ import annotations

import json

import pytest

from engine.values import Secret
from tests.engine.fake_provider import FakeProvider, plain, secret
from tests.engine.harness import Project

LINES = (
    "config = pulumi.Config()",
    'a = Thing("a", token=config.require_secret("token"), size=1)',
    'export("token", a.token)',
    'export("size", a.size)',
)


def with_canary(project: Project) -> Project:
    """The project with its canary as the secret config value `token`."""
    project.run("config", "set", "token", "--secret", stdin=project.canary)
    return project


@pytest.mark.parametrize("accepts", [True, False], ids=["provider-knows-secrets", "provider-does-not"])
def test_secret_input_makes_secret_output(project: Project, fake: FakeProvider, accepts: bool) -> None:
    """A secret input reaches the provider, and its output is secret in state and display either way (D13, D14)."""
    fake.accepts_secrets = accepts

    run = with_canary(project).program(*LINES).run("up", "--skip-preview")

    sent = plain(fake.asked("create a")[-1].properties)["token"]
    assert secret(sent) is accepts
    assert fake.things["a-1"]["token"] == project.canary
    state = project.resource("a")
    assert state.inputs["token"] == state.outputs["token"] == Secret(project.canary)
    assert state.outputs["size"] == 1
    assert project.canary not in run.out + run.err
    assert "token : [secret]" in run.out


def test_outputs_command_masks(project: Project, fake: FakeProvider) -> None:
    """`outputs` shows a secret only with --show-secrets, and config only decrypts when it is asked to (D14)."""
    with_canary(project).program(*LINES).up()

    assert json.loads(project.run("outputs", "--json").out) == {"token": "[secret]", "size": 1}
    assert project.run("outputs", "token", "--show-secrets").out.strip() == project.canary
    assert project.canary not in project.run("export").out
    assert project.canary in project.run("export", "--show-secrets").out


def test_unchanged_secret_keeps_its_ciphertext(project: Project, fake: FakeProvider) -> None:
    """A run that changes nothing leaves every resource in the state as it was, to the ciphertext (D14, F5)."""
    with_canary(project).program(*LINES).up()
    before = json.loads(project.state_file.read_text())["checkpoint"]["latest"]["resources"]

    assert project.up().changes == {}

    after = json.loads(project.state_file.read_text())["checkpoint"]["latest"]["resources"]
    assert after == before


def test_additional_secret_outputs(project: Project, fake: FakeProvider) -> None:
    """An output that the program names in additionalSecretOutputs is secret, though no input was (D13)."""
    project.program('Thing("a", opts=ResourceOptions(additional_secret_outputs=["out"]))').up()

    assert project.resource("a").outputs["out"] == Secret("out of a-1")


def test_secret_in_a_failing_run(project: Project, fake: FakeProvider) -> None:
    """A secret does not show in the pending operation or the half-made resource of a run that failed (I7)."""
    fake.lose("create a")
    fake.half_make("create b")
    lines = (
        'Thing("a", box={"token": config.require_secret("token")})',
        'Thing("b", token=config.get_secret("token"))',
    )

    run = with_canary(project).program(LINES[0], *lines).up("--continue-on-error", code=1)

    assert project.pending() == ["creating a"]
    assert project.resource("b").outputs["token"] == Secret(project.canary)
    assert project.canary not in run.out + run.err


def test_dynamic_secret(project: Project) -> None:
    """A secret input of a dynamic resource is encrypted although its provider knows no secrets (D13)."""
    with_canary(project).program(
        "import thing", LINES[0], 'thing.Thing("a", text=config.require_secret("token"))'
    ).up()

    assert project.things()["a"]["text"] == project.canary
    assert project.resource("a").outputs["text"] == Secret(project.canary)
