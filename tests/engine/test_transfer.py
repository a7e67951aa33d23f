"""export, import, stack: a stack's state out of the backend, into it, and gone."""

from __future__ import annotations

import json

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project, command_line_error


def test_export_and_import(project: Project, fake: FakeProvider) -> None:
    """What export wrote, import puts back, secrets included, and the next up finds nothing to do (F20)."""
    project.run("config", "set", "token", "--secret", stdin=project.canary)
    project.program('Thing("a", token=pulumi.Config().get_secret("token"))').up()
    project.run("export", "--file", "out.json")
    assert project.canary not in (project.root / "out.json").read_text()
    project.state_file.unlink()

    project.run("import", "--file", "out.json")

    assert project.up("--expect-no-changes").changes == {}
    assert fake.changed == ["create a"]


def test_import_refuses_another_stack(project: Project, fake: FakeProvider) -> None:
    """A state of another stack, a broken one, and one that is no state are refused, and nothing is overwritten (F20)."""
    project.program('Thing("a")').up()
    before = project.state_file.read_bytes()
    exported = project.run("export").out
    document = json.loads(exported)
    document["deployment"]["resources"].reverse()
    cases = (
        (exported.replace("urn:pulumi:dev::", "urn:pulumi:prod::"), "is of another stack"),
        (json.dumps(document), "refers to unknown provider"),
        ('{"version": 3}', "not an exported stack"),
    )
    for text, says in cases:
        assert says in command_line_error(project.run("import", code=2, stdin=text))

    assert project.state_file.read_bytes() == before


def test_stack_is_removed_when_it_is_empty(project: Project, fake: FakeProvider) -> None:
    """`stack rm` refuses while resources are left; after destroy the stack is gone from the list (F19)."""
    project.program('Thing("a")').up()
    assert "still has" in command_line_error(project.run("stack", "rm", code=2))
    assert json.loads(project.run("stack", "ls", "--json").out) == [{"name": "dev"}]

    project.destroy("--remove")

    assert json.loads(project.run("stack", "ls", "--json").out) == []
    assert not project.state_file.exists()


def test_new_stack(project: Project, fake: FakeProvider) -> None:
    """`stack init` makes a stack that can be brought up and is no other's, and refuses a name that is taken (F20)."""
    project.run("stack", "init", "--stack", "second")
    assert "exists already" in command_line_error(project.run("stack", "init", "--stack", "second", code=2))

    project.program('Thing("a")').run("up", "--stack", "second")

    assert not project.state_file.exists()
    assert fake.changed == ["create a"]
    assert "'..'" in command_line_error(project.run("stack", "init", "--stack", "..", code=2))
