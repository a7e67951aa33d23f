"""The same program under both engines leaves the same state, step by step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.live.official.conftest import prepared
from tests.live.official.known_differences import KNOWN
from tests.live.official.normal_form import differences, misplaced, normal
from tests.live.official.official import Engine
from tests.live.site import Site

pytestmark = pytest.mark.live


def up(engine: Engine) -> None:
    """Bring it up."""
    engine.run("up", "--skip-preview")


def edit(engine: Engine) -> None:
    """Replace one container, update the other, and update two files."""
    for key, value in (("greeting", "ahoy"), ("memory", "80"), ("text", "second")):
        engine.run("config", "set", key, value)
    up(engine)


def lose(engine: Engine) -> None:
    """A file is lost, and refresh learns it."""
    engine.site.file("1").unlink()
    engine.run("refresh", *(["--skip-preview"] if engine.name == "official" else []))


def fail(engine: Engine) -> None:
    """The updates of both files fail, as folders are in their places; which is tried first is free."""
    files = [engine.site.file("0"), engine.site.file("1")]
    for file in files:
        file.unlink()
        file.mkdir()
    engine.run("config", "set", "text", "third")
    assert engine.try_("up", "--skip-preview").code != 0
    for file in files:
        file.rmdir()


def destroy(engine: Engine) -> None:
    """The end."""
    engine.run("destroy", "--skip-preview")


STEPS: dict[str, Callable[[Engine], None]] = {
    "up": up,
    "replace and update": edit,
    "refresh after a loss": lose,
    "up again": up,
    "failed up": fail,
    "destroy": destroy,
}


def life(engine: Engine) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """What the state holds after each step, and what in it is out of order."""
    if engine.name == "official":
        engine.run("init")
    engine.run("config", "set", "token", "hunter2-0123456789", "--secret")
    found = {}
    for name, step in STEPS.items():
        step(engine)
        exported = engine.export()
        found[name] = (normal(exported, engine.site), misplaced(exported))
    return found


def test_states_are_equal(new_site: Callable[[], Site]) -> None:
    """After each step of a life the exported states are equal, but for what `known_differences` lists with its reason."""
    lives = {}
    for name in ("embedded", "official"):
        with ExitStack() as stack:
            lives[name] = life(prepared(new_site(), stack)[name])

    surprising = []
    for step in STEPS:
        (ours, our_order), (theirs, their_order) = lives["embedded"][step], lives["official"][step]
        assert (our_order, their_order) == ([], [])
        found = [f"{step}: {line}" for line in differences(ours, theirs)]
        surprising += [line for line in found if not any(known.covers(line) for known in KNOWN)]
    assert surprising == [], "\n".join(surprising)


def test_known_differences_are_argued() -> None:
    """Each known difference has an id of its own and a reason."""
    assert len({known.id for known in KNOWN}) == len(KNOWN)
    assert [known.id for known in KNOWN if len(known.reason) < 20] == []
