"""Sites on which both engines can work: the official CLI on PATH, our docker provider attached to both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.live.attached import served_docker
from tests.live.official.official import QUIET, Engine, embedded, official
from tests.live.site import Site


@pytest.fixture(scope="session", autouse=True)
def pulumi() -> str:
    """The official CLI. It is on no registry, so that a machine without it is no failure, not even in CI."""
    found = shutil.which("pulumi")
    if found is None:
        pytest.skip("not run here: no official pulumi on PATH")
    return found


@pytest.fixture
def engines(new_site: Callable[[], Site]) -> Iterator[dict[str, Engine]]:
    """Both engines on one site."""
    with ExitStack() as stack:
        yield prepared(new_site(), stack)


def prepared(site: Site, stack: ExitStack) -> dict[str, Engine]:
    """Both engines on this site, with a provider that serves both until `stack` is left."""
    site.more |= {**QUIET, "PULUMI_HOME": str(site.root / "home")}
    site.more["PULUMI_DEBUG_PROVIDERS"] = f"docker:{stack.enter_context(served_docker(site))}"
    return {"embedded": embedded(site), "official": official(site)}
