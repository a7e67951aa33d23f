"""The supervisor's rules: who may start, how long a crashing program waits, and what others read of it."""

from __future__ import annotations

import time

import pytest

from host.daemon import end
from host.kubernetes import layout, programs, supervisor
from host.kubernetes.supervisor import Child
from machine import places, processes


class Sleeper:
    """A program that does nothing, ready when the test says so."""

    def __init__(self, name: str, *after: str) -> None:
        self.NAME, self.AFTER, self.is_ready = name, after, False

    def configure(self) -> None:
        """Nothing."""

    def command(self) -> list[str]:
        return ["sleep", "60"]

    def ready(self) -> bool:
        return self.is_ready


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sleeper]:
    """A server, and a client that waits for it."""
    known = {"server": Sleeper("server"), "client": Sleeper("client", "server")}
    monkeypatch.setattr(programs, "KNOWN", known)
    places.make(places.run())
    return known


def test_each_waits_for_what_it_needs(fakes: dict[str, Sleeper]) -> None:
    """A client is not started before its server answers, and one that is paused not at all."""
    children = {name: Child(name) for name in fakes}
    try:
        waiting = supervisor._start_what_may(children)
        assert (waiting, bool(children["server"].pid), bool(children["client"].pid)) == (True, True, False)

        fakes["server"].is_ready = True
        children["client"].not_before = time.monotonic() + 60
        assert supervisor._start_what_may(children) is True
        assert not children["client"].pid

        children["client"].not_before = 0
        assert supervisor._start_what_may(children) is False
        assert children["client"].restarts == 0
    finally:
        for child in children.values():
            if child.pid:
                end(child.pid, 5)


def test_a_loop_of_crashes_slows_down(fakes: dict[str, Sleeper]) -> None:
    """Each end soon after the start doubles the pause up to a limit; a steady run starts again at once."""
    child = Child("server")
    pauses = []
    for _ in range(8):
        supervisor._start(child)
        end(child.pid, 5)
        supervisor._collect({"server": child})
        pauses.append(child.pause_seconds)
    supervisor._start(child)
    child.started -= 2 * supervisor.STEADY_SECONDS
    end(child.pid, 5)
    supervisor._collect({"server": child})

    assert pauses[:3] == [0.4, 0.8, 1.6]
    assert pauses[-1] == supervisor.LONGEST_PAUSE_SECONDS
    assert child.pause_seconds == supervisor.FIRST_PAUSE_SECONDS
    assert child.restarts == 8


@pytest.mark.parametrize("content", [None, "", "{", "{}"])
def test_a_missing_or_torn_note_is_no_note(content: str | None) -> None:
    """Before the supervisor has written, nothing is known."""
    places.make(layout.run())
    if content is not None:
        (layout.run() / "programs.json").write_text(content)

    assert supervisor.noted() == []


def test_living_means_the_same_process() -> None:
    """A pid that is another process by now is not the program."""
    own = processes.start_ticks(1) or 0

    assert supervisor.living({"pid": 1, "start": own})
    assert not supervisor.living({"pid": 1, "start": own + 1})
    assert not supervisor.living({"pid": 0, "start": 0})


def test_siblings_are_alike() -> None:
    """Every program names what it waits for among its siblings before it: in reverse, it is stopped before those."""
    names = list(programs.KNOWN)
    for name, program in programs.KNOWN.items():
        assert name == program.NAME
        assert set(program.AFTER) <= set(names[: names.index(name)])
    assert set(layout.PORTS.values()) <= set(programs.KNOWN)
