"""Each engine opens, refreshes, changes and destroys what the other made: ordinary stacks and the states of a bad day.

The bad days are real ones, not written by hand: a create that hangs (its path is a pipe) and a kill -9 leave a pending
operation; a delete that fails leaves a `delete` state; a create that fails after its predecessor was deleted leaves a
`pendingReplacement`.
"""

from __future__ import annotations

import os

import pytest
from docker import APIClient

from tests.live.official.official import Engine
from tests.live.site import Site

pytestmark = pytest.mark.live
TOKEN = "hunter2-0123456789"
BOTH = pytest.mark.parametrize(("maker", "opener"), [("embedded", "official"), ("official", "embedded")])
Engines = dict[str, Engine]


def made(engines: Engines, maker: str, *flags: str) -> None:
    """The stack, made by one of them."""
    if maker == "official":
        engines[maker].run("init")
    engines[maker].run("up", "--skip-preview", *flags)


def marked(engine: Engine, member: str) -> list[str]:
    """Names of the resources that have this member in the state."""
    return sorted(r["urn"].rpartition("::")[2] for r in engine.site.state()["resources"] if r.get(member))


@BOTH
def test_other_engine_goes_on(engines: Engines, docker: APIClient, maker: str, opener: str) -> None:
    """With secrets in configuration and state: nothing to change, nothing to refresh, an edit is an edit, destroy is all."""
    site = engines["embedded"].site
    if maker == "official":
        engines[maker].run("init")
    engines[maker].run("config", "set", "token", TOKEN, "--secret")
    engines[maker].run("up", "--skip-preview")

    other = engines[opener]
    assert other.run("config", "get", "token").out.strip() == TOKEN
    other.run("preview", "--expect-no-changes")
    other.run("refresh", "--expect-no-changes", *(["--skip-preview"] if opener == "official" else []))
    other.run("config", "set", "greeting", "ahoy")
    other.run("up", "--skip-preview")
    assert "GREETING=ahoy" in docker.inspect_container(site.container("first"))["Config"]["Env"]
    assert TOKEN.encode() not in site.state_file.read_bytes()

    engines[maker].run("preview", "--expect-no-changes")
    other.run("destroy", "--skip-preview")
    assert site.state().get("resources", []) == []


@BOTH
def test_replaced_state_that_is_still_to_be_deleted(engines: Engines, maker: str, opener: str) -> None:
    """What the maker replaced and could not delete, the opener deletes with its next up."""
    site = engines[maker].site
    made(engines, maker)
    moved = site.files / "moved"
    moved.mkdir()
    site.file("0").unlink()
    (site.file("0") / "in the way").mkdir(parents=True)
    engines[maker].run("config", "set", "directory", str(moved))
    assert engines[maker].try_("up", "--skip-preview").code != 0
    assert "site-0" in marked(engines[maker], "delete")

    (site.file("0") / "in the way").rmdir()
    site.file("0").rmdir()
    engines[opener].run("up", "--skip-preview")

    assert marked(engines[opener], "delete") == []
    engines[opener].run("preview", "--expect-no-changes")
    engines[opener].run("destroy", "--skip-preview")
    moved.rmdir()


@BOTH
def test_pending_replacement(engines: Engines, docker: APIClient, maker: str, opener: str) -> None:
    """A container that was deleted and could not be made again is made by the opener's next up."""
    site = engines[maker].site
    made(engines, maker)
    tag = f"vmlab-test-{site.stack}"
    docker.tag(f"{tag}:latest", tag, "kept")
    docker.remove_image(f"{tag}:latest", force=True)
    engines[maker].run("config", "set", "greeting", "ahoy")
    assert engines[maker].try_("up", "--skip-preview").code != 0
    docker.tag(f"{tag}:kept", tag, "latest")
    docker.remove_image(f"{tag}:kept")
    assert marked(engines[maker], "pendingReplacement") == ["site-first"]

    engines[opener].run("up", "--skip-preview")

    assert "GREETING=ahoy" in docker.inspect_container(site.container("first"))["Config"]["Env"]
    assert marked(engines[opener], "pendingReplacement") == []
    engines[opener].run("destroy", "--skip-preview")


def creating(site: Site) -> list[str]:
    """Names of the resources whose create is under way."""
    operations = site.state().get("pending_operations", [])
    return [op["resource"]["urn"].rpartition("::")[2] for op in operations if op["type"] == "creating"]


@BOTH
def test_pending_operation(engines: Engines, maker: str, opener: str) -> None:
    """After kill -9 of the maker in mid-create, the opener's next up makes the stack whole, and destroys it."""
    site = engines[maker].site
    if maker == "official":
        engines[maker].run("init")
    os.mkfifo(site.file("0"))
    run = engines[maker].start("up", "--skip-preview")
    run.until(lambda: site.state_file.exists() and "site-0" in creating(site))
    run.kill()
    if maker == "official":  # it leaves its program and provider behind, and its lock
        for pid in site.processes():
            if "engine.providers.docker" not in site.processes().get(pid, ""):
                os.kill(pid, 9)
    assert "site-0" in creating(site)

    site.file("0").unlink()
    if opener == "official":
        engines[opener].run("cancel", "--yes")
    engines[opener].run("up", "--skip-preview")
    assert site.file("0").read_text() == "first"
    engines[opener].run("destroy", "--skip-preview")
    engines["embedded"].run("destroy")
    assert site.state().get("pending_operations", []) == []
