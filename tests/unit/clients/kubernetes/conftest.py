"""A fake API server, and a machine on which no kubeconfig is found but those that a test makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.clients.kubernetes.fake_api import FakeApi


@pytest.fixture(autouse=True)
def no_cluster_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test meets a kubeconfig that it has not made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "VMLAB_KUBECONFIG", "VMLAB_CONTEXT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    """The server."""
    server = FakeApi()
    yield server
    server.close()
