"""Unknowns: what only a later step will tell exists in previews, and in them only."""

from __future__ import annotations

from tests.engine.fake_provider import UNKNOWN, FakeProvider, plain
from tests.engine.harness import Project

LINES = 'a = Thing("a")', 'Thing("b", size=a.out)', 'export("out", a.out)'


def test_preview_sends_unknowns(project: Project, fake: FakeProvider) -> None:
    """In a preview a provider that can preview is asked with unknowns, and an unknown output shows as such (D11)."""
    project.program(*LINES).up()
    fake.well()

    run = project.program('a = Thing("a", fixed=1)', *LINES[1:]).preview()

    assert run.changes == {"replace": 1, "update": 1}
    (update,) = fake.asked("update b")
    assert update.preview
    assert plain(update.news)["size"] == UNKNOWN
    assert fake.changed == []


def test_preview_does_not_call_those_that_cannot(project: Project, fake: FakeProvider) -> None:
    """A provider that does not say that it can preview is asked neither to create nor to update in one (D10)."""
    fake.supports_preview = False
    assert "[unknown]" in project.program(*LINES).run("preview").out
    assert fake.asked("create a") == []
    assert not project.state_file.exists()

    project.up()
    fake.well()
    project.program('a = Thing("a", size=1)', *LINES[1:]).preview()

    assert fake.asked("update a") == []


def test_dynamic_preview_makes_nothing(project: Project) -> None:
    """A preview of dynamic resources makes none of them, though their provider would (D10)."""
    run = project.program(
        "import thing", 'a = thing.Thing("a")', 'thing.Thing("b", text=a.size.apply(str))'
    ).preview()

    assert run.changes == {"create": 2}
    assert project.log() == []
    assert project.things() == {}


def test_unknown_in_a_real_run_is_refused(project: Project, fake: FakeProvider) -> None:
    """An unknown that a provider answers in a real run is not passed on: the dependent fails (D11)."""
    fake.things["odd"] = {}
    project.program(f'a = Thing("a", name="x", odd="{UNKNOWN}")', 'Thing("b", size=a.odd)').up(code=1)

    assert "create b" not in fake.changed


def test_unknown_provider_configuration(project: Project, fake: FakeProvider) -> None:
    """A provider whose configuration is not known in the preview is not configured, and its resources show (D9)."""
    lines = ('p = Provider("p", where=a.out)', 'Thing("b", opts=ResourceOptions(provider=p))')
    fake.supports_preview = False

    run = project.program(LINES[0], *lines).preview()
    assert [request.name for request in fake.asked("configure p")] == []
    assert run.changes == {"create": 3}

    project.up()
    (request,) = fake.asked("configure p")
    assert plain(request.args) == {"where": "out of a-1"}
