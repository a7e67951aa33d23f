"""What the tests of the state share: a cipher that is derived quickly, and a backend in a temporary directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.state import secrets
from engine.state.backend import Backend
from engine.state.secrets import Cipher


@pytest.fixture
def cipher(monkeypatch: pytest.MonkeyPatch) -> Cipher:
    """A new cipher, with few rounds."""
    monkeypatch.setattr(secrets, "ITERATIONS", 10)
    return Cipher.create("a passphrase")


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    """An empty backend."""
    return Backend(tmp_path / "root")
