"""A place of its own for what a test starts, which the service's user can traverse."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """VMLAB_HOME, removed afterwards. pytest's own folders are closed to other users."""
    path = Path(tempfile.mkdtemp(prefix="vmlab-test-"))
    path.chmod(0o755)
    monkeypatch.setenv("VMLAB_HOME", str(path))
    yield path
    shutil.rmtree(path)
