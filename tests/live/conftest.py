"""A real Docker, and a site of its own for each test that leaves nothing behind, proven by a census.

The finaliser runs when the test failed too: it first counts, then removes by label and mark, then says what it found.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker import APIClient

from engine.providers.docker.docker_daemon import DockerDaemon, RefusalError
from tests.live import census
from tests.live.lab import laboratory
from tests.live.site import Site

SETTLE_SECONDS = 3.0


def missing(reason: str) -> None:
    """What a test needs is not here: that is a failure in CI and a skip elsewhere."""
    pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def swept() -> None:
    """No lab of a session that was killed: its finalisers never ran."""
    laboratory.sweep()


@pytest.fixture(scope="session")
def docker() -> Iterator[APIClient]:
    """The real Docker."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    try:
        client = DockerDaemon(host).connect(seconds=60)  # the SDK alone leaks a socket when nobody answers
    except RefusalError as error:
        missing(str(error))
        raise
    yield client
    client.close()


@pytest.fixture(scope="session")
def busybox() -> Path:
    """The static busybox that the image is made of."""
    found = shutil.which("busybox")
    if found is None:
        missing("no busybox; install it with: apt-get install busybox-static")
    return Path(str(found))


@pytest.fixture
def new_site(docker: APIClient, busybox: Path) -> Iterator[Callable[[], Site]]:
    """Makes sites; each has to be as empty at the end as it was at the beginning."""
    made: list[tuple[Site, census.Rows, census.Census]] = []

    def make() -> Site:
        site = Site.make(busybox)
        rows = site.rows(docker)
        made.append((site, rows, census.take(rows)))
        return site

    yield make
    left = []
    for site, rows, before in made:
        left += census.settled(rows, before, SETTLE_SECONDS)
        site.clear(docker)
    if left:
        pytest.fail("the census differs:\n" + "\n".join(left), pytrace=False)


@pytest.fixture
def site(new_site: Callable[[], Site]) -> Site:
    """One site."""
    return new_site()
