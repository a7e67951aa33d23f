"""Without libvirt-python the rest of the lab works: whatever asks for a guest's things is told what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from machine.errors import Unavailable
from substrates.vm import substrate as vm


@pytest.mark.parametrize("ask", [vm.everything_labelled, vm.remove_labelled, vm.remove_copies])
def test_it_is_said_what_is_missing(ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """`gc` asks every substrate; one that cannot run here says so in words that it understands."""
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(Unavailable, match="libvirt-python is not installed"):
        ask()
