"""Providers: which one serves a resource, and how its configuration lives in the state."""

from __future__ import annotations

import uuid

from tests.engine.fake_provider import FakeProvider, plain
from tests.engine.harness import Project, command_line_error

EXPLICIT = 'p = Provider("p", {}=1)', 'Thing("a", opts=ResourceOptions(provider=p))'


def test_default_provider(project: Project, fake: FakeProvider) -> None:
    """Without a provider of its own a resource is served by the default one, configured once from the stack (D7, D8)."""
    project.run("config", "set", "fake:where", "here")

    project.program('Thing("a")', 'Thing("b")').up()

    (request,) = fake.asked("configure default")
    assert plain(request.args) == {"where": "here"}
    provider = project.resource("default")
    assert uuid.UUID(provider.id).version == 4
    assert provider.outputs == {"where": "here"}
    assert project.resource("a").provider == f"{provider.urn}::{provider.id}"


def test_explicit_provider(project: Project, fake: FakeProvider) -> None:
    """A resource is served by the provider that the program gives it, and no default one is made (D6)."""
    run = project.program(EXPLICIT[0].format("size"), EXPLICIT[1]).up()

    assert run.steps == ["create p", "create a"]
    provider = project.resource("p")
    assert project.resource("a").provider == f"{provider.urn}::{provider.id}"
    assert fake.asked("configure default") == []


def test_children_use_the_components_provider(project: Project, fake: FakeProvider) -> None:
    """A component's providers serve its descendants, unless one has its own (D6)."""
    project.program(
        'p = Provider("p")',
        'q = Provider("q")',
        'g = Group("g", opts=ResourceOptions(providers={"fake": p}))',
        'h = Group("h", opts=ResourceOptions(parent=g))',
        'Thing("a", opts=ResourceOptions(parent=h))',
        'Thing("b", opts=ResourceOptions(parent=h, provider=q))',
    ).up()

    assert "::p::" in project.resource("a").provider
    assert "::q::" in project.resource("b").provider


def test_changed_configuration_keeps_the_resources(project: Project, fake: FakeProvider) -> None:
    """A provider whose configuration changes is updated, and what it serves is left alone (B3, D8)."""
    project.program(EXPLICIT[0].format("size"), EXPLICIT[1]).up()
    before = project.resource("p").id
    fake.well()

    run = project.program('p = Provider("p", size=2)', EXPLICIT[1]).up()

    assert run.changes == {"update": 1}
    assert fake.changed == []
    assert project.resource("p").id == before
    assert plain(fake.asked("configure p")[-1].args) == {"size": 2}


def test_replaced_provider_replaces_its_resources(project: Project, fake: FakeProvider) -> None:
    """When a provider says that another configuration means another place, what it serves is replaced (B3, C3)."""
    project.program(EXPLICIT[0].format("size"), EXPLICIT[1]).up()
    fake.well()

    project.program('p = Provider("p", size=1, fixed=2)', EXPLICIT[1]).up()

    assert fake.changed == ["create a", "delete a"]
    assert project.names() == ["p", "a"]


def test_provider_is_needed_for_its_last_deletes(project: Project, fake: FakeProvider) -> None:
    """A provider that the program no longer mentions is configured from the state to delete what it made (D8)."""
    project.program('p = Provider("p", where="there")', EXPLICIT[1]).up()
    fake.well()

    project.program().up()

    assert [plain(request.args) for request in fake.asked("configure p")] == [{"where": "there"}]
    assert fake.changed == ["delete a"]
    assert project.names() == []


def test_refused_configuration(project: Project, fake: FakeProvider) -> None:
    """A provider that refuses its configuration ends the command with exit code 2 and its reason (B1)."""
    fake.refused["where"] = "there is no such place"

    run = project.program('p = Provider("p", where="there")', EXPLICIT[1]).run("up", code=2)

    assert "where: there is no such place" in run.err
    assert fake.changed == []


def test_default_providers_can_be_forbidden(project: Project, fake: FakeProvider) -> None:
    """With pulumi:disable-default-providers a resource without a provider is refused, and nothing is made (D7)."""
    (project.root / "Pulumi.dev.yaml").write_text('config:\n  pulumi:disable-default-providers: ["fake"]\n')

    run = project.program('Thing("a")').run("up", code=2)

    assert "default providers are disabled for 'fake'" in run.err
    assert fake.changed == []


def test_unknown_package(project: Project) -> None:
    """A package that no provider serves is refused by name, with exit code 2, before anything is made."""
    run = project.program('Thing("a")').run("up", code=2)

    assert "no provider for the package 'fake'" in run.err


def test_attached_provider_that_is_gone(project: Project, fake: FakeProvider) -> None:
    """A provider that was attached and does not answer fails the run, says so, and leaves nothing pending."""
    fake.close()

    run = project.program('Thing("a")').up(code=1)

    assert "the provider went away" in run.error
    assert project.pending() == []


def test_malformed_attachment(project: Project) -> None:
    """A PULUMI_DEBUG_PROVIDERS without a port is refused."""
    project.environment["PULUMI_DEBUG_PROVIDERS"] = "fake"

    assert "requires package:port" in command_line_error(project.program().run("up", code=2))


def test_function_of_a_provider(project: Project, fake: FakeProvider) -> None:
    """A program can call a provider's function, also in a preview, and a failing one fails the program (1.3)."""
    fake.things["x"] = {}
    lines = 'answer = pulumi.runtime.invoke("fake:index:count", {}).value', 'export("count", answer["count"])'
    project.program(*lines).run("up")
    assert project.run("outputs", "count").out == "1\n"
    assert len(fake.asked("invoke fake:index:count")) == 2

    fake.fail("invoke fake:index:count", "cannot count")
    run = project.up(code=1)
    assert any("cannot count" in text for text in run.said("error"))
