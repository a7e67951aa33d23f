"""A fake API server, and an engine whose provider talks to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.providers.kubernetes.readiness.view import View
from engine.providers.kubernetes.site import Settings, Site
from tests.unit.clients.kubernetes.fake_api import FakeApi, kubeconfig
from tests.unit.engine.providers.kubernetes.driver import Engine, served


@pytest.fixture(autouse=True)
def no_cluster_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No test meets a kubeconfig that it has not made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "PULUMI_K8S_AWAIT_ALL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    """The server."""
    server = FakeApi()
    yield server
    server.close()


@pytest.fixture
def stub() -> Iterator[Any]:
    """The provider, not configured."""
    with served() as provider:
        yield provider


@pytest.fixture
def engine(stub: Any, fake: FakeApi) -> Engine:
    """The provider, configured for the fake server."""
    return Engine(stub, kubeconfig=kubeconfig(fake.url))


@pytest.fixture
def view(fake: FakeApi) -> Iterator[View]:
    """A view of the fake cluster, in which nothing is still yet."""
    site = Site(Settings(kubeconfig=kubeconfig(fake.url)))
    yield View(site)
    site.close()
