"""Writing the state: what is about to happen is on the disk before it happens, and what happened right after."""

from __future__ import annotations

import json

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project


def test_operation_is_written_before_the_call(project: Project, fake: FakeProvider) -> None:
    """While a provider creates, updates or deletes, the state on the disk says so, with the inputs (F1, F2)."""
    for verb, line in (("create", 'Thing("a", size=1)'), ("update", 'Thing("a", size=2)'), ("delete", "")):
        hold = fake.hold(f"{verb} a")
        child = project.program(line).start("up", "--skip-preview")
        hold.wait()
        project.check()
        assert project.pending() == [f"{verb.removesuffix('e')}ing a"]
        (operation,) = project.state().pending
        assert operation.resource.inputs["size"] == (1 if verb == "create" else 2)
        hold.release.set()
        project.finished(child)
        assert project.pending() == []


def test_what_is_done_is_written_while_the_rest_runs(project: Project, fake: FakeProvider) -> None:
    """What is created is in the state while another create is still under way (F2)."""
    hold = fake.hold("create b")
    child = project.program('a = Thing("a")', 'Thing("b", size=a.out)').start("up", "--skip-preview")
    hold.wait()

    assert project.resource("a").id == "a-1"
    assert project.pending() == ["creating b"]

    hold.release.set()
    project.finished(child)


def test_state_that_cannot_be_written_stops_the_run(project: Project, fake: FakeProvider) -> None:
    """When the state cannot be saved any more, nothing further is created and the command fails (F4)."""
    project.program('Thing("first")').up()
    fake.well()
    hold = fake.hold("create a")
    folder = project.state_file.parent
    child = project.program('Thing("first")', 'a = Thing("a")', 'Thing("b", size=a.out)').start(
        "up", "--skip-preview"
    )
    hold.wait()
    saved = folder.rename(folder.with_name("away"))
    folder.write_text("in the way")  # root ignores modes, so a file takes the folder's place
    hold.release.set()
    child.wait(30)
    folder.unlink()
    saved.rename(folder)

    project.finished(child, code=1)

    assert fake.changed == ["create a"]
    assert project.pending() == ["creating a"]  # as it was written before the call


def test_each_run_leaves_a_record(project: Project, fake: FakeProvider) -> None:
    """Each run adds one record to the history and one backup of the state, and a preview adds none (1.4)."""
    project.program('Thing("a")').up("--message", "the first")
    project.preview()
    project.refresh()
    fake.fail("delete a")
    project.destroy(code=1)

    records = [json.loads(path.read_text()) for path in sorted(project.backend.rglob("*.history.json"))]
    assert [(record["kind"], record["result"]) for record in records] == [
        ("update", "succeeded"),
        ("refresh", "succeeded"),
        ("destroy", "failed"),
    ]
    assert records[0]["message"] == "the first"
    assert len(list((project.backend / ".pulumi" / "backups").rglob("*.json"))) == 3
