"""A lab for each test, with what it needs on this machine; the census after it must equal the one before."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from docker import APIClient

from clients.http_probe import ask
from tests.live.conftest import missing
from tests.live.lab import laboratory
from tests.live.lab.laboratory import Laboratory


@pytest.fixture(scope="session")
def prepared(docker: APIClient) -> APIClient:
    """Docker, the registry and the artifact, as `vmlab host up` leaves them."""
    if os.geteuid() != 0:
        missing("the lab's live tests start services as another user, so they need root")
    if ask("http://127.0.0.1:5000/v2/") is None:
        missing("no registry on 127.0.0.1:5000; start it with: vmlab host up registry")
    lab = Laboratory.make()
    done = lab.run("run", "no-such-stack")
    lab.remove()
    assert done.returncode == 2, json.dumps(done.stderr)
    return docker


@pytest.fixture(scope="module")
def module_lab(prepared: APIClient) -> Iterator[Laboratory]:
    """One lab for a whole module."""
    yield from _lab(prepared)


@pytest.fixture
def lab(prepared: APIClient) -> Iterator[Laboratory]:
    """One lab for a test."""
    yield from _lab(prepared)


def _lab(docker: APIClient) -> Iterator[Laboratory]:
    lab = Laboratory.make()
    before = laboratory.take(docker, lab)
    yield lab
    left = laboratory.settled(docker, lab, before)
    if left:
        lab.run("gc")
    lab.remove()
    if left:
        pytest.fail("the census differs:\n" + "\n".join(left), pytrace=False)
