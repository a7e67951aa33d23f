"""Interrupted operations: a create whose answer was lost, or whose engine died, is settled and never done twice."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import grpc
import pytest

from tests.engine.fake_provider import FakeProvider, Hold
from tests.engine.harness import Project

THING = "import thing", 'thing.Thing("a", text="one")'
ECHO = "import thing", 'thing.Thing("a", provider=thing.Echo)'


def until(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.01)


def killed_in(project: Project, call: str, what: str, *verb: str) -> subprocess.Popen[str]:
    """A command whose engine is killed while its dynamic provider is in a call."""
    project.fault(call, what)
    child = project.start(*verb)
    until(project.world / f"{call}.waits")
    project.end(child)
    return child


@pytest.mark.parametrize("fault", ["kill", "kill after"])
def test_provider_killed_in_mid_create(project: Project, fault: str) -> None:
    """When the provider dies in a create, the operation stays pending, and the next up makes the thing once (F8)."""
    project.fault("create a", fault)
    run = project.program(*THING).up(code=1)
    assert run.corrupt
    assert project.pending() == ["creating a"]
    assert list(project.things()) == ([] if fault == "kill" else ["a"])

    project.up()

    assert project.log().count("create a") == (2 if fault == "kill" else 1)
    assert project.things() == {"a": {"name": "a", "text": "one"}}
    assert project.pending() == []
    assert project.names() == ["a"]


@pytest.mark.parametrize("fault", ["hang", "hang after"])
def test_engine_killed_in_mid_create(project: Project, fault: str) -> None:
    """When the engine is killed in a create, the next up adopts what was made, or makes it, but not twice (F9)."""
    killed_in(project.program(*THING), "create a", fault, "up", "--skip-preview")
    assert project.pending() == ["creating a"]

    project.up()

    assert project.log().count("create a") == (2 if fault == "hang" else 1)
    assert list(project.things()) == ["a"]
    assert project.pending() == []
    assert project.names() == ["a"]


def test_adopted_thing_is_brought_up_to_date(project: Project) -> None:
    """A thing that was adopted is then compared with the program as it is now (F9)."""
    killed_in(project.program(*THING), "create a", "hang after", "up", "--skip-preview")

    project.program(THING[0], 'thing.Thing("a", text="two")').up()

    assert project.log() == ["create a", "update a"]
    assert project.things()["a"]["text"] == "two"


@pytest.mark.parametrize("verb", ["destroy", "refresh"])
def test_destroy_and_refresh_settle_it_first(project: Project, verb: str) -> None:
    """destroy deletes, and refresh adopts, what an interrupted create had made (1.6.5, E3)."""
    killed_in(project.program(*THING), "create a", "hang after", "up", "--skip-preview")

    project.run(verb)

    assert project.pending() == []
    assert project.names() == (["a"] if verb == "refresh" else [])
    assert list(project.things()) == (["a"] if verb == "refresh" else [])


def test_engine_killed_in_mid_update(project: Project) -> None:
    """When the engine is killed in an update, the state keeps the old inputs and the next up updates again (F12)."""
    project.program(*THING).up()
    killed_in(
        project.program(THING[0], 'thing.Thing("a", text="two")'),
        "update a",
        "hang after",
        "up",
        "--skip-preview",
    )
    assert project.resource("a").inputs["text"] == "one"

    project.up()

    assert project.log() == ["create a", "update a", "update a"]
    assert project.things()["a"]["text"] == "two"


def test_engine_killed_in_mid_delete(project: Project) -> None:
    """When the engine is killed in a delete, the next run deletes again and all is gone (F11)."""
    project.program(*THING).up()
    killed_in(project, "delete a", "hang after", "destroy", "--skip-preview")
    assert project.names() == ["a"]

    project.destroy()

    assert project.things() == {}
    assert project.names() == []


def test_engine_killed_in_a_replacement(project: Project) -> None:
    """When the engine is killed between delete and create of a replacement, the next up ends with one thing (C4, F9)."""
    project.program("import thing", 'thing.Thing("a", slot=1)').up()
    lines = "import thing", 'thing.Thing("a", slot=2)'
    killed_in(project.program(*lines), "create a", "hang after", "up", "--skip-preview")
    assert project.resource("a").pending_replacement

    project.up()

    assert project.log() == ["create a", "delete a", "create a"]
    assert project.things()["a"]["slot"] == 2


def test_engine_killed_after_a_replacement_was_made(project: Project, fake: FakeProvider) -> None:
    """When the engine is killed after a replacement was made, it is adopted, and the old thing still goes (C1, F9)."""
    project.program('Thing("a", name="one")').up()
    hold = fake.after["create a"] = Hold()
    child = project.program('Thing("a", name="two")').start("up", "--skip-preview")
    hold.wait()
    project.end(child)
    hold.release.set()
    fake.well()

    project.up()

    assert fake.changed == ["delete a"]
    assert list(fake.things) == ["two"]
    assert project.resource("a").id == "two"


def test_lost_answers_are_looked_for(project: Project, fake: FakeProvider) -> None:
    """A create that failed with a code that leaves its effect open stays pending, and is adopted later (F8, 1.6.3)."""
    codes = ["UNAVAILABLE", "UNKNOWN", "INTERNAL", "DEADLINE_EXCEEDED", "CANCELLED", "DATA_LOSS"]
    for code in codes:
        fake.lose(f"create {code}", grpc.StatusCode[code])
    run = project.program(f"for code in {codes}: Thing(code, name=code)").up("--continue-on-error", code=1)
    assert run.corrupt
    assert sorted(project.pending()) == sorted(f"creating {code}" for code in codes)
    assert project.names() == []
    fake.well()

    project.up()

    assert fake.changed == []
    assert sorted(project.names()) == sorted(fake.things) == sorted(codes)
    assert project.pending() == []


def test_clear_refusal_is_not_pending(project: Project, fake: FakeProvider) -> None:
    """A create that failed with a code that says that nothing was made leaves nothing pending (F8)."""
    fake.fail("create a", code=grpc.StatusCode.INVALID_ARGUMENT)

    run = project.program('Thing("a", name="x")').up(code=1)

    assert not run.corrupt
    assert project.pending() == []


def test_half_made_is_deleted(project: Project, fake: FakeProvider) -> None:
    """What an interrupted create left half-made is deleted and made anew (1.6.3)."""
    fake.lose("create a")
    project.program('Thing("a", name="x")').up(code=1)
    fake.well()
    fake.half_make("read a")

    project.up()

    assert fake.changed == ["delete a", "create a"]
    assert project.pending() == []


def test_unsettled_create_stays_pending(project: Project, fake: FakeProvider) -> None:
    """While a pending create cannot be looked up, destroy fails and keeps it, and the next destroy settles it (1.6.5)."""
    fake.lose("create a")
    project.program('p = Provider("p")', 'Thing("a", name="x", opts=ResourceOptions(provider=p))').up(code=1)
    fake.well()
    fake.fail("read a", "no answer")

    run = project.destroy(code=1)
    assert any("may still exist" in text for text in run.said("error"))
    assert project.pending() == ["creating a"]
    assert project.names() == ["p"]  # without which nobody could look for it

    fake.well()
    project.destroy()
    assert fake.changed == ["delete a"]
    assert fake.things == {}


def test_echo_is_no_evidence(project: Project) -> None:
    """A provider whose read only echoes has found nothing: the thing is created, once in the state (1.6.3)."""
    project.fault("create a", "kill after")
    project.program(*ECHO).up(code=1)

    project.up()

    assert project.log() == ["create a", "create a"]
    assert project.names() == ["a"]
    assert project.pending() == []


def test_stack_with_pending_creates_is_not_removed(project: Project, fake: FakeProvider) -> None:
    """While a create is pending, a preview warns of it, `stack rm` refuses, and it stays pending (F9, F19)."""
    fake.lose("create a")
    run = project.program('Thing("a", name="x")').up(code=1)

    assert any("interrupted" in text for text in project.preview().said("warning"))

    run = project.run("stack", "rm", "--stack", "dev", code=2)

    assert "still has" in run.err
    assert project.pending() == ["creating a"]


@pytest.mark.parametrize("verb", ["up", "destroy"])
def test_only_the_operation_is_left(project: Project, fake: FakeProvider, verb: str) -> None:
    """A pending create in a state that has nothing else, as the official destroy leaves it, is settled too (F9)."""
    fake.lose("create a")
    project.program('Thing("a", name="x")').up(code=1)
    fake.well()
    document = json.loads(project.state_file.read_text())
    del document["checkpoint"]["latest"]["resources"]
    project.state_file.write_text(json.dumps(document))

    project.run(verb)

    assert fake.changed == ([] if verb == "up" else ["delete a"])
    assert project.names() == (["a"] if verb == "up" else [])
    assert project.pending() == []
