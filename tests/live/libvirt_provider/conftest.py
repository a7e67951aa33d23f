"""The system's libvirtd, and a world of its own for each test that leaves nothing behind, proven by a census."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clients.libvirt import connection
from machine.errors import Unavailable
from tests.live import census
from tests.live.conftest import missing
from tests.live.libvirt_provider import guest
from tests.live.libvirt_provider.world import World

SETTLE_SECONDS = 5.0


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
    rows = world.rows_of_libvirt
    before = census.take(rows)
    yield world
    left = [
        line for line in census.settled(rows, before, SETTLE_SECONDS) if not line.startswith("gone: taps")
    ]
    world.sweep()
    if left:
        pytest.fail("the census differs:\n" + "\n".join(left), pytrace=False)
