"""Without a Docker nothing begins."""

from __future__ import annotations

import pytest

from tests.live.site import Site

pytestmark = pytest.mark.live


@pytest.mark.parametrize("verb", ["up", "preview"])
def test_absent_docker_is_one_clear_line(site: Site, verb: str) -> None:
    """Exit code 2, one line that names the command that starts Docker, and not even a file is created."""
    site.more["DOCKER_HOST"] = f"unix://{site.root}/none.sock"

    run = site.engine(verb)

    errors = [line for line in run.err.splitlines() if "error" in line]
    assert len(errors) == 1, run.err
    assert f"cannot reach Docker at unix://{site.root}/none.sock" in errors[0]
    assert errors[0].endswith("start it with: vmlab host up docker")
    assert run.code == 2
    assert [
        path for folder in (site.backend, site.files) for path in folder.rglob("*") if path.is_file()
    ] == []
