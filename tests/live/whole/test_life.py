"""A stack's whole life with the embedded engine, each step read back from Docker and the disk."""

from __future__ import annotations

from collections import Counter

import pytest
from docker import APIClient

from tests.live.site import Run, Site

pytestmark = pytest.mark.live


def counted(run: Run) -> Counter[str]:
    """What was done to the resources that are not as they were."""
    return Counter({op: count for op, count in run.good().changes.items() if op not in ("same", "read")})


def test_whole_life(site: Site, docker: APIClient) -> None:
    """Preview, up, up again, edit, up, loss, refresh, up, destroy: each does what it says and no more."""
    assert counted(site.engine("preview", "--json")) == {"create": 10}
    assert list(site.files.iterdir()) == []

    assert counted(site.engine("up", "--json")) == {"create": 10}
    first, second = (docker.inspect_container(site.container(name)) for name in ("first", "second"))
    assert "GREETING=hello" in first["Config"]["Env"]
    assert second["HostConfig"]["Memory"] == 64 << 20
    assert site.file("0").read_text() == "first"
    assert counted(site.engine("up", "--json", "--expect-no-changes")) == {}

    site.set("greeting", "ahoy")
    site.set("memory", 80)
    assert counted(site.engine("up", "--json")) == {"replace": 1, "update": 1}
    new_first, new_second = (docker.inspect_container(site.container(name)) for name in ("first", "second"))
    assert "GREETING=ahoy" in new_first["Config"]["Env"]
    assert new_first["Id"] != first["Id"]
    assert (new_second["Id"], new_second["HostConfig"]["Memory"]) == (second["Id"], 80 << 20)
    assert new_second["State"]["Running"]

    docker.remove_container(new_second["Id"], force=True)
    assert counted(site.engine("refresh", "--json")) == {"delete": 1}
    assert counted(site.engine("up", "--json")) == {"create": 1}
    assert docker.inspect_container(site.container("second"))["State"]["Running"]
    assert counted(site.engine("preview", "--json", "--expect-no-changes")) == {}

    assert counted(site.engine("destroy", "--json")) == {"delete": 10}
    assert site.state().get("resources", []) == []


def test_edit_of_a_text_updates_the_files_only(site: Site, docker: APIClient) -> None:
    """A text that two files share updates those two, and the containers stay the same ones."""
    site.engine("up", "--skip-preview").good()
    before = docker.inspect_container(site.container("first"))["Id"]

    site.set("text", "second")
    assert counted(site.engine("up", "--json", "--skip-preview")) == {"update": 2}

    assert [site.file(name).read_text() for name in ("0", "1", "token")] == ["second", "second", "open"]
    assert docker.inspect_container(site.container("first"))["Id"] == before
    site.engine("destroy", "--skip-preview").good()


def test_secret_is_on_disk_only_where_it_was_asked_for(site: Site) -> None:
    """A secret is in the file that it is meant for and nowhere else in the clear: not in configuration, state or output."""
    token = "hunter2-0123456789"
    site.set("token", token, "--secret")
    shown = site.engine("up").good()
    outputs = site.engine("outputs").good()

    assert site.file("token").read_text() == token
    assert token not in shown.out + shown.err + outputs.out
    kept = [path for folder in (site.backend, site.project) for path in folder.rglob("*") if path.is_file()]
    assert [str(path) for path in kept if token.encode() in path.read_bytes()] == []
    assert site.engine("outputs", "token", "--show-secrets").good().out.strip() == token
    site.engine("destroy", "--skip-preview").good()


def test_stack_file_stays_as_it_is(site: Site) -> None:
    """Without a secret in it the tracked stack file is byte for byte the same after every verb."""
    before = site.stack_file.read_bytes()
    for verb in ("preview", "up", "refresh", "destroy"):
        site.engine(verb).good()
        assert site.stack_file.read_bytes() == before


def test_what_others_own_is_left_alone(site: Site, docker: APIClient) -> None:
    """A volume of the same name that somebody else made is refused, and destroy does not touch it."""
    name = f"vmlab-test-{site.stack}"
    docker.create_volume(name)
    try:
        refused = site.engine("up")
        assert refused.code == 1
        assert "is not ours" in refused.err
        site.engine("destroy").good()
        assert docker.inspect_volume(name)["Labels"] is None
    finally:
        docker.remove_volume(name)
