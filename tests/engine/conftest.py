"""The two fixtures of the engine's tests: a project on disk, and the fake provider that its commands attach to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.fake_provider import FakeProvider
from tests.engine.harness import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project of its own; that its state is sound and tells no secret is looked at once more in the end."""
    made = Project(tmp_path)
    yield made
    made.check()


@pytest.fixture
def fake(project: Project) -> Iterator[FakeProvider]:
    """The fake provider; the project's commands attach to it."""
    provider = FakeProvider()
    project.environment["PULUMI_DEBUG_PROVIDERS"] = f"fake:{provider.port}"
    yield provider
    provider.close()
