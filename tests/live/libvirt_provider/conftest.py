"""The system's libvirtd, and a world of its own for each test that leaves nothing behind, proven by a census."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clients.libvirt import connection
from machine.errors import Unavailable
from tests.live.conftest import missing
from tests.live.libvirt_provider import guest
from tests.live.libvirt_provider.world import World


@pytest.fixture(scope="session")
def libvirt() -> None:
    """A libvirtd that answers, and the lab's own kernel to boot."""
    try:
        connection.open()
        guest.kernel()
    except Unavailable as error:
        missing(str(error))


@pytest.fixture
def world(libvirt: None) -> Iterator[World]:
    """One world; it has to be as empty at the end as it was at the beginning."""
    world = World.start_up()
    before = world.census()
    yield world
    after = world.settle(before)
    world.sweep()
    left = [
        f"left behind: {kind}: {sorted(after[kind] - before[kind])}"
        for kind in after
        if after[kind] - before[kind]
    ]
    if left:
        pytest.fail("the census differs:\n" + "\n".join(left), pytrace=False)
