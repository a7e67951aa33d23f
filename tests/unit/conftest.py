"""What unit tests share: a home that the service's user can traverse, and no libvirt-python.

libvirt-python is not a locked requirement. It is hidden, so that a test that requires it fails on every machine and not
only on a fresh clone.
"""

from __future__ import annotations

import shutil
import sys
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


@pytest.fixture(autouse=True)
def without_libvirt_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """`import libvirt` is an ImportError, as on a fresh clone."""
    monkeypatch.setitem(sys.modules, "libvirt", None)
