"""The docker provider served alone, attached to the engine."""

from __future__ import annotations

import pytest
from docker import APIClient

from tests.live.attached import served_docker
from tests.live.site import Site

pytestmark = pytest.mark.live


def test_attached_provider_serves_a_whole_life(site: Site, docker: APIClient) -> None:
    """`python -m engine.providers.docker` behind PULUMI_DEBUG_PROVIDERS carries a stack from up to destroy, across runs."""
    with served_docker(site) as port:
        site.more["PULUMI_DEBUG_PROVIDERS"] = f"docker:{port}"
        site.more["DOCKER_HOST"] = (
            f"unix://{site.root}/none.sock"  # the engine's own provider could do nothing
        )
        assert site.engine("up", "--json").good().changes == {"create": 10}
        assert docker.inspect_container(site.container("first"))["State"]["Running"]
        site.engine("up", "--expect-no-changes").good()
        site.set("greeting", "ahoy")
        changes = site.engine("up", "--json", "--skip-preview").good().changes
        assert {op: n for op, n in changes.items() if op != "same"} == {"replace": 1}
        site.engine("refresh", "--expect-no-changes").good()
        site.engine("destroy").good()
