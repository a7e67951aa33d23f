"""The journal: what is on the disk at which moment, and what happens when it cannot get there."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from engine.errors import EngineError
from engine.state.journal import Journal
from engine.state.resource import PendingOperation, Resource
from engine.state.snapshot import Snapshot


def make(name: str, **fields: Any) -> Resource:
    """A resource."""
    return Resource(f"urn:pulumi:dev::demo::x:y:Z::{name}", "x:y:Z", True, id="1", **fields)


def short(snapshot: Snapshot) -> tuple[str, str]:
    """Names of the resources and of what is under way."""
    resources = "".join(it.urn[-1] for it in snapshot.resources)
    return resources, "".join(it.type[0] + it.resource.urn[-1] for it in snapshot.pending)


class Disk:
    """Remembers what was written."""

    def __init__(self) -> None:
        self.saved: list[Snapshot] = []
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()

    def write(self, snapshot: Snapshot) -> None:
        """Save, when the gate is open."""
        self.busy.set()
        assert self.gate.wait(10)
        if self.error:
            raise self.error
        self.saved.append(snapshot)

    @property
    def states(self) -> list[tuple[str, str]]:
        """Everything that was ever on the disk, in short."""
        return [short(snapshot) for snapshot in self.saved]


@pytest.fixture
def disk() -> Disk:
    """An empty disk."""
    return Disk()


def test_a_create_is_announced_before_it_is_done(disk: Disk) -> None:
    """On return of begin the disk has the pending create, on return of finish the resource instead."""
    journal = Journal(Snapshot(), disk.write)
    operation = journal.begin("creating", make("a"))
    assert disk.states == [("", "ca")]
    journal.finish(operation, add=make("a"))
    assert disk.states == [("", "ca"), ("a", "")]
    journal.close()
    assert len(disk.saved) == 2


def test_update_and_delete(disk: Disk) -> None:
    """During an update and a delete the old state stays; afterwards the new one is there, or none."""
    a, b = make("a"), make("b")
    journal = Journal(Snapshot([a, b]), disk.write)
    update = journal.begin("updating", make("a"))
    assert disk.states[-1] == ("ab", "ua")
    changed = make("a")
    journal.finish(update, add=changed, drop=a)
    assert [it is changed for it in disk.saved[-1].resources] == [True, False]
    delete = journal.begin("deleting", b)
    assert disk.states[-1] == ("ab", "db")
    journal.finish(delete, drop=b)
    assert disk.states[-1] == ("a", "")
    journal.close()


def test_a_failed_step_clears_its_operation(disk: Disk) -> None:
    """A provider that said no leaves the old state and nothing under way."""
    journal = Journal(Snapshot([make("a")]), disk.write)
    journal.finish(journal.begin("updating", make("a")))
    journal.close()
    assert disk.states == [("a", "ua"), ("a", "")]


def test_a_lost_answer_stays_pending(disk: Disk) -> None:
    """A create whose answer was lost is still on the disk when the run has ended (F8)."""
    journal = Journal(Snapshot(), disk.write)
    journal.finish(journal.begin("creating", make("a")), keep_pending=True)
    journal.close()
    assert disk.states[-1] == ("", "ca")


def test_the_base_is_carried_over(disk: Disk) -> None:
    """Interrupted creates of the base stay until they are settled, other operations go with the first write (F3)."""
    creating, updating = PendingOperation(make("c"), "creating"), PendingOperation(make("u"), "updating")
    base = Snapshot([make("a")], [creating, updating], salt="s", features=["views"], extra={"snippets": []})
    journal = Journal(base, disk.write)
    a2 = make("a")
    journal.record(add=a2, drop=base.resources[0], durable=True)
    assert disk.states == [("a", "cc")]
    assert (disk.saved[0].salt, disk.saved[0].features, disk.saved[0].extra) == (
        "s",
        ["views"],
        {"snippets": []},
    )
    found = make("c")
    journal.adopt(creating, found)
    assert disk.states[-1] == ("ac", "")
    journal.close()
    assert short(base) == ("a", "ccuu")


def test_discard_pending(disk: Disk) -> None:
    """An interrupted create that had made nothing is forgotten."""
    creating = PendingOperation(make("c"), "creating")
    journal = Journal(Snapshot([], [creating]), disk.write)
    journal.discard_pending(creating)
    journal.close()
    assert disk.states == [("", "")]


def test_nothing_done_nothing_written(disk: Disk) -> None:
    """A run without a change leaves the file alone, and what was pending with it."""
    Journal(Snapshot([make("a")], [PendingOperation(make("u"), "updating")]), disk.write).close()
    assert disk.saved == []


def test_elided_writes_are_flushed(disk: Disk) -> None:
    """Steps without a provider call are saved with the next save, or at the end."""
    a, b = make("a"), make("b")
    journal = Journal(Snapshot([a, b]), disk.write)
    journal.record(add=make("a"), drop=a)
    assert disk.saved == []
    operation = journal.begin("updating", b)
    assert disk.states == [("ab", "ub")]
    journal.finish(operation)
    journal.record(drop=b)
    journal.close()
    assert disk.states[-1] == ("a", "")


def test_substitute_keeps_the_place(disk: Disk) -> None:
    """A state is replaced where it stands, in the base or among the new ones, and can be dropped afterwards."""
    a, b, c = make("a"), make("b"), make("c")
    journal = Journal(Snapshot([a, b]), disk.write)
    journal.record(add=c)
    b2, c2 = make("b", delete=True), make("c", protect=True)
    journal.substitute_all([(b, b2), (c, c2)])
    assert [it is want for it, want in zip(journal.snapshot().resources, [c2, a, b2], strict=True)] == [
        True
    ] * 3
    journal.substitute(a, None)
    journal.record(drop=b2)
    assert short(journal.snapshot()) == ("c", "")
    journal.close()


def test_an_equal_state_is_not_the_same(disk: Disk) -> None:
    """Identity decides: of two equal states the one that is meant goes, and an unknown one is an error."""
    twin, other = make("a", delete=True), make("a", delete=True)
    journal = Journal(Snapshot([twin, other]), disk.write)
    journal.record(drop=other)
    assert journal.snapshot().resources[0] is twin
    operation = journal.begin("creating", make("b"))
    with pytest.raises(EngineError, match="does not hold"):
        journal.finish(operation, add=make("b"), drop=make("a"))
    assert disk.states[-1] == ("ba", "")  # what was made is saved all the same
    journal.close()


def test_the_caller_may_go_on_filling_its_object(disk: Disk) -> None:
    """What begin saved does not change with the object the caller completes for finish."""
    journal = Journal(Snapshot(), disk.write)
    resource = make("a")
    operation = journal.begin("creating", resource)
    resource.outputs = {"late": 1}
    assert operation.resource.outputs == {}
    journal.finish(operation, add=resource)
    journal.close()
    assert disk.saved[-1].resources[0].outputs == {"late": 1}


def test_group_commit(disk: Disk) -> None:
    """Changes that arrive during a save share the next one, and nobody returns before theirs is saved."""
    journal = Journal(Snapshot(), disk.write)
    disk.gate.clear()
    returned: list[str] = []

    def step(name: str) -> None:
        journal.begin("creating", make(name))
        returned.append(name)

    threads = [threading.Thread(target=step, args=(name,)) for name in "abcdefgh"]
    threads[0].start()
    assert disk.busy.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(journal.snapshot().pending) < 8:
        pass
    assert returned == []
    disk.gate.set()
    for thread in threads:
        thread.join(10)
    assert len(disk.saved) == 2
    assert [len(snapshot.pending) for snapshot in disk.saved] == [1, 8]
    journal.close()


def test_many_threads_lose_nothing(disk: Disk) -> None:
    """Under load every step is on the disk on return, and the end has them all."""
    journal = Journal(Snapshot(), disk.write)
    missing: list[str] = []

    def work(letter: str) -> None:
        for number in range(25):
            resource = make(f"{letter}{number}")
            journal.finish(journal.begin("creating", resource), add=resource)
            if all(it is not resource for it in disk.saved[-1].resources):
                missing.append(resource.urn)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    journal.close()
    assert missing == []
    assert len(disk.saved[-1].resources) == 200
    assert disk.saved[-1].pending == []


def test_a_failed_write_reaches_everybody(disk: Disk) -> None:
    """Whoever waits, whoever comes later and whoever closes hears that the state cannot be saved."""
    journal = Journal(Snapshot(), disk.write)
    disk.gate.clear()
    errors: list[BaseException] = []

    def step(name: str) -> None:
        try:
            journal.begin("creating", make(name))
        except EngineError as error:
            errors.append(error)

    threads = [threading.Thread(target=step, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    disk.error = OSError("no space left on device")
    disk.gate.set()
    for thread in threads:
        thread.join(10)
    assert [str(error) for error in errors] == ["the state could not be saved: no space left on device"] * 3
    with pytest.raises(EngineError, match="no space"):
        journal.begin("creating", make("d"))
    with pytest.raises(EngineError, match="no space"):
        journal.close()


def test_a_failed_flush_is_raised_by_close(disk: Disk) -> None:
    """A failure of the very last save is not swallowed."""
    journal = Journal(Snapshot(), disk.write)
    journal.record(add=make("a"))
    disk.error = OSError("gone")
    with pytest.raises(EngineError, match="gone"):
        journal.close()


def test_an_invalid_state_is_saved_and_fails_the_run(disk: Disk) -> None:
    """A state that breaks the rules is written with the reason, later changes too, and the run fails (F6)."""
    journal = Journal(Snapshot(metadata={"integrity_error": {"error": "old"}}), disk.write)
    journal.record(add=make("a"), durable=True)
    assert disk.saved[0].metadata == {}
    bad = make("b", parent="urn:pulumi:dev::demo::x:y:Z::nobody")
    with pytest.raises(EngineError, match="is missing"):
        journal.record(add=bad, durable=True)
    assert "is missing" in disk.saved[-1].metadata["integrity_error"]["error"]
    with pytest.raises(EngineError):
        journal.begin("creating", make("c"))
    assert disk.states[-1] == ("ab", "cc")
    with pytest.raises(EngineError, match="is missing"):
        journal.close()


def test_closed_is_closed(disk: Disk) -> None:
    """A change after the end is an error, closing twice is none."""
    journal = Journal(Snapshot(), disk.write)
    journal.close()
    journal.close()
    with pytest.raises(EngineError, match="after the run had ended"):
        journal.record(add=make("a"))


def test_a_preview_saves_nothing() -> None:
    """Without a write the journal follows along but neither waits nor checks."""
    journal = Journal(Snapshot(), None)
    operation = journal.begin("creating", make("a", parent="nobody"))
    journal.finish(operation, add=make("a", parent="nobody"))
    assert short(journal.snapshot()) == ("a", "")
    journal.close()
