"""A lab for each test, as in tests/live/lab, and places to look at that need no stack."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from lab.boundaries.findings import Finding, findings
from lab.boundaries.look import Place, look, rungs_place
from substrates import rungs
from substrates.boundaries.reading import Reading
from tests.live.conftest import missing
from tests.live.lab.conftest import lab, module_lab, prepared
from tests.live.vm.conftest import libvirt

__all__ = ["lab", "libvirt", "module_lab", "prepared"]
Look = Callable[[Place], tuple[Reading, dict[str, Finding]]]


@pytest.fixture(scope="session")
def plain() -> Reading:
    """What a plain process of this machine sees."""
    if os.geteuid() != 0:
        missing("the rungs are looked at as root")
    return look(rungs_place("plain", ()))


@pytest.fixture(scope="session")
def whole(plain: Reading) -> tuple[Reading, dict[str, Finding]]:
    """What a copy on all rungs sees, and whose it is."""
    place = rungs_place("all", rungs.NAMES)
    reading = look(place)
    return reading, findings(reading, plain, place.held)
