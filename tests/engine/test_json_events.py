"""--json: the run as one object a line, in the official engine's form."""

from __future__ import annotations

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project


def test_stream_of_a_run(project: Project, fake: FakeProvider) -> None:
    """Each step has a beginning and an end, numbers rise by one, and the summary comes last and counts (1.3)."""
    fake.fail("create bad", "no")
    lines = 'a = Thing("a", size=1)', 'Thing("bad", size=a.out)', 'export("out", a.out)'

    run = project.program(*lines).up(code=1)

    assert [event["sequence"] for event in run.events] == list(range(len(run.events)))
    begun = [e["resourcePreEvent"]["metadata"]["urn"] for e in run.events if "resourcePreEvent" in e]
    ended = [e["resOutputsEvent"]["metadata"]["urn"] for e in run.events if "resOutputsEvent" in e]
    failed = [e["resOpFailedEvent"]["metadata"]["urn"] for e in run.events if "resOpFailedEvent" in e]
    assert sorted(begun) == sorted(ended + failed)
    assert failed == [project.urn("bad")]
    (diagnostic,) = [
        e["diagnosticEvent"] for e in run.events if e.get("diagnosticEvent", {}).get("severity") == "error"
    ]
    assert diagnostic["urn"] == project.urn("bad")
    summary = run.events[-1]["summaryEvent"]
    assert summary["resourceChanges"] == {"create": 2}
    assert not summary["isPreview"]
    assert run.err == ""


def test_update_names_its_keys(project: Project, fake: FakeProvider) -> None:
    """A step that changes something names the inputs that differ, and does not show their values."""
    project.program('Thing("a", size=1, tags={"x": 1}, same=1)').up()

    run = project.program('Thing("a", size=22334, tags={"x": 2}, same=1)').up()

    (metadata,) = [
        e["resOutputsEvent"]["metadata"]
        for e in run.events
        if e.get("resOutputsEvent", {}).get("metadata", {}).get("op") == "update"
    ]
    assert metadata["diffs"] == ["size", "tags"]
    assert "22334" not in run.out


def test_words_of_the_program(project: Project) -> None:
    """What the program prints and logs arrives as diagnostics with its severity, and debug words do not."""
    lines = (
        'print("hello")',
        'pulumi.log.warn("careful")',
        'pulumi.log.debug("hidden")',
        'pulumi.log.info("fyi")',
    )

    run = project.program(*lines).up()

    assert {"hello", "fyi"} <= set(run.said("info"))
    assert run.said("warning") == ["careful"]
    assert "hidden" not in run.out
