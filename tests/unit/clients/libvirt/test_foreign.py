"""What is somebody else's is never taken away: a thing without our label reads as the stack "", which nobody is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest

from clients.libvirt import domains, networks
from clients.libvirt.description import DomainSpec, NetworkSpec

Things = dict[str, tuple[Any, Callable[[str, str], None]]]
THINGS: Things = {
    "domain": (domains, domains.remove),
    "network": (networks, networks.remove),
}


@pytest.mark.parametrize("kind", THINGS)
@pytest.mark.parametrize(("theirs", "stack"), [("", ""), ("", "vmlab/vm"), ("vmlab/vm", ""), ("a", "b")])
def test_it_stays(kind: str, theirs: str, stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks, with or without the name of a stack, no handle of a thing that is not theirs is used."""
    module, remove = THINGS[kind]
    specs = {
        "domain": DomainSpec("a", theirs, 1),
        "network": NetworkSpec("a", theirs, "198.18.1.1/26", "b"),
    }
    handle = MagicMock()
    monkeypatch.setitem(sys.modules, "libvirt", MagicMock())  # the binding is not installed on every machine
    monkeypatch.setattr(module, "find", lambda _: module.Found(specs[kind], running=True))
    monkeypatch.setattr(module, "_handle", lambda _: handle)

    remove("a", stack)

    assert handle.mock_calls == []
