"""A lab for the tests of a module, with a libvirtd that answers; the census after it must equal the one before."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from clients.libvirt import connection
from machine.errors import VmlabError
from substrates.inputs import artifact
from substrates.vm import guest
from tests.live.conftest import missing
from tests.live.lab.laboratory import Laboratory
from tests.live.vm import machine


@pytest.fixture(scope="session")
def libvirt() -> None:
    """What `vmlab host up libvirt guest artifact` leaves, and nobody's guest of the names that these tests need."""
    if os.geteuid() != 0:
        missing("guests get their disks from root")
    try:
        connection.open()
        guest.disk(artifact.load(), "full")
        guest.kernel("default")
    except VmlabError as error:
        missing(str(error))
    taken = [
        domain.name() for domain in connection.open().listAllDomains() if domain.name().startswith("vmlab-vm")
    ]
    if taken:
        missing(f"the stacks' guests are up already: {', '.join(taken)}; vmlab destroy their stacks")


@pytest.fixture(scope="module")
def lab(libvirt: None) -> Iterator[Laboratory]:
    """One lab for a module, with a copy of the program whose stacks may be changed."""
    yield from _lab()


@pytest.fixture
def fresh(libvirt: None) -> Iterator[Laboratory]:
    """One for a test."""
    yield from _lab()


def _lab() -> Iterator[Laboratory]:
    first = Laboratory.make()
    lab = first.with_copy()
    before = machine.take(lab)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VMLAB_HOME", str(lab.home))  # for what the tests call themselves
        yield lab
        left = machine.settled(lab, before)
        if left:
            lab.run("gc")
    lab.remove()
    if left:
        pytest.fail("the census differs:\n" + "\n".join(left), pytrace=False)


@pytest.fixture(scope="module")
def slim(lab: Laboratory) -> Iterator[str]:
    """The stack vm-slim, up."""
    yield from _up(lab, "vm-slim")


@pytest.fixture(scope="module")
def full(lab: Laboratory) -> Iterator[str]:
    """The stack vm, up."""
    yield from _up(lab, "vm")


@pytest.fixture(params=["slim", "full"])
def either(request: pytest.FixtureRequest) -> str:
    """A test for both stacks, each up."""
    return str(request.getfixturevalue(request.param))


def _up(lab: Laboratory, stack: str) -> Iterator[str]:
    machine.good(lab.run("up", stack, "--skip-preview"))
    yield stack
    machine.good(lab.run("destroy", stack, "--skip-preview"))
