"""Which tests run side by side: one group for each thing of this machine that tests cannot share.

Tests of one group run one after the other in one worker of pytest-xdist; groups run beside each other. A test that times
something to fractions of a second, or reads a figure of the whole machine, runs alone, after all others. Tests that are
in no group share nothing. Out of scope: what a folder needs set up (`lab/commands/suite.py`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Folders of tests/live, and what their tests share; the group that takes longest first.
GROUPS = {
    "vm": "lab",  # the stacks' ports, slots and names, and `vmlab gc`, which removes every copy of this machine
    "lab": "lab",
    "ladder": "lab",
    "namespaces": "lab",  # the copies' bridge and its addresses
    "libvirt_provider": "libvirt",  # the network's addresses
    "kubernetes_provider": "kubernetes provider",  # a namespace for each test
    "host": "host",  # sandboxes: their own daemons, but this machine's control groups
    "kubernetes": "kubernetes",  # the cluster's default storage class
    "whole": "docker",  # containers and images without a label, which a build has for a moment
    "docker_provider": "docker",
    "official": "docker",
    "artifact": "artifact",  # the cache's trees, which it builds anew
}

# Files, tests or folders by the beginning of their id, and why each has the machine to itself.
ALONE = {
    "tests/live/namespaces/test_limits.py": "shares of CPU time to 5 %, and the machine's free memory",
    "tests/live/namespaces/test_network.py": "answers within 0.9 s, and a bridge that no other copy is on",
    "tests/live/vm/test_boot.py::test_footprint": "the machine's free memory before and after a boot",
    "tests/live/vm/test_boot.py::test_systemd_agrees": "two accounts of one boot, to 0.5 s",
    "tests/live/vm/test_kill.py::test_killed_libvirtd": "the machine's libvirtd is killed",
}


def of(nodeid: str) -> str:
    """The group of a test; empty for one that shares nothing."""
    parts = nodeid.split("/")
    return GROUPS.get(parts[2], "") if parts[:2] == ["tests", "live"] else ""


def place(nodeid: str) -> int:
    """Where a test stands in the order: groups as in the table, and mypy before what else needs no daemon."""
    if group := of(nodeid):
        return list(GROUPS.values()).index(group)
    return 0 if nodeid.startswith("tests/test_quality.py") else 1


def mark(item: pytest.Item) -> None:
    """Give a test its marks, `live` and `alone`."""
    parts = item.path.relative_to(ROOT).parts
    if parts[:2] != ("tests", "live"):
        return
    item.add_marker(pytest.mark.live)
    if item.nodeid.startswith(tuple(ALONE)):
        item.add_marker(pytest.mark.alone)
