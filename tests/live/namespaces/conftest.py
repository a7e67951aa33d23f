"""Copies on the rungs that end with the test, in a home of their own that shares the built artifact. Root only.

The finaliser runs when the test failed too: it removes what is on record, then counts what is left of the copies.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from machine import places
from machine.errors import Unavailable
from substrates import namespaces
from substrates.inputs import artifact
from substrates.inputs.artifact import Artifact
from substrates.rungs import NAMES
from tests.live.conftest import missing
from tests.live.namespaces import traces

PYTHON = ["{root}/usr/bin/python3.11", "-I", "-S", "-c"]
Starter = Callable[..., namespaces.Handle]


@pytest.fixture(scope="session")
def built() -> Artifact:
    """The lab's own service, as it was built here."""
    if os.geteuid() != 0:
        missing("the rungs as a whole need root")
    try:
        return artifact.load()
    except Unavailable as error:
        missing(str(error))
        raise


@pytest.fixture
def home(built: Artifact, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """VMLAB_HOME with the real cache in it; nothing of a copy is left when the test is over."""
    cache = places.cache()
    path = Path(tempfile.mkdtemp(prefix="vmlab-rungs-", dir="/var/tmp"))
    path.chmod(0o755)  # the service's user has to pass through
    (path / "cache").symlink_to(cache)
    monkeypatch.setenv("VMLAB_HOME", str(path))
    before = traces.of_host()
    yield path
    namespaces.remove_labelled()
    left = traces.left(path, before)
    shutil.rmtree(path)
    if left:
        pytest.fail("left behind:\n" + "\n".join(left), pytrace=False)


@pytest.fixture
def definition(built: Artifact, home: Path) -> namespaces.Definition:
    """The service on all rungs."""
    return replace(namespaces.for_ladder(built, NAMES), name="vmlab-try", address="198.18.2.99")


@pytest.fixture
def running(definition: namespaces.Definition) -> Starter:
    """Starts a program of a few lines of Python on all rungs, or on those that are named; it need not answer."""

    def run(program: str, **changed: object) -> namespaces.Handle:
        base = replace(definition, command=[*PYTHON, program])
        return namespaces.start(replace(base, **changed))  # type: ignore[arg-type]

    return run
