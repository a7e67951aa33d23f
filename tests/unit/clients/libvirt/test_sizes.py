"""Sizes of a running domain, from what libvirt reports of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from clients.libvirt import connection, sizes


class LibvirtError(Exception):
    """As libvirt's."""


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """A domain of a libvirtd that does not exist."""
    library = SimpleNamespace(libvirtError=LibvirtError, VIR_DOMAIN_AFFECT_LIVE=1)
    found = MagicMock()
    for module in (connection, sizes):
        monkeypatch.setattr(module, "library", lambda: library)
    monkeypatch.setattr(connection, "open", lambda: SimpleNamespace(lookupByName=lambda _name: found))
    return found


@pytest.mark.parametrize(
    ("reported", "cpus"),
    [
        ({"vcpu_quota": 75000, "vcpu_period": 100000}, 1.5),
        ({"vcpu_quota": 300000, "vcpu_period": 100000}, 2.0),  # no more than there are
        ({"vcpu_quota": -1, "vcpu_period": 100000}, 2.0),
        ({"vcpu_quota": 17592186044415, "vcpu_period": 100000}, 2.0),  # libvirt's word for none
        ({}, 2.0),  # no control group
    ],
)
def test_quota_is_of_each_processor(handle: MagicMock, reported: dict[str, Any], cpus: float) -> None:
    """The kernel's quota counts for each vCPU; without one the number of vCPUs is the limit."""
    handle.schedulerParametersFlags.return_value = reported
    assert sizes.limited_cpus("guest", 2) == cpus


def test_first_report_of_the_balloon_is_waited_for(handle: MagicMock) -> None:
    """KiB become bytes; a guest without the driver never reports, and has no figures."""
    handle.memoryStats.side_effect = [{"actual": 512}, {"actual": 512, "available": 490, "usable": 400}]
    assert sizes.memory_seen_bytes("guest") == {"actual": 524288, "available": 501760, "usable": 409600}


def test_guest_without_balloon_reports_nothing(handle: MagicMock, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the deadline the figures are empty."""
    monkeypatch.setattr(sizes, "REPORT_SECONDS", 0.1)
    handle.memoryStats.return_value = {"actual": 512}
    assert sizes.memory_seen_bytes("guest") == {}
