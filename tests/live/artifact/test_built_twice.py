"""The artifact built twice from nothing: the same bytes, the image that Docker has, and nothing of this machine in it."""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from clients.http_probe import ask
from host.artifact import build
from tests.live.conftest import missing

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]
VARIANTS = ("slim", "null", "full")
OF_ONE_MACHINE = re.compile(r"(^|/)etc/(resolv\.conf|hostname|machine-id)$")


@pytest.fixture(scope="module")
def built() -> dict[str, Any]:
    """The index of this machine's artifact."""
    if os.geteuid() != 0:
        missing("only root can build the tree")
    if ask("http://127.0.0.1:5000/v2/") is None:
        missing("no registry on 127.0.0.1:5000; start it with: vmlab host up registry")
    return dict(build.build(build.OURS, lambda text: None))


@pytest.fixture(scope="module")
def again(built: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The index of another build, in an empty cache."""
    home = tmp_path_factory.mktemp("artifact")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VMLAB_HOME", str(home))
        assert not build.is_built()
        yield dict(build.build(build.OURS, lambda text: None))


def test_second_build_has_the_same_digest(built: dict[str, Any], again: dict[str, Any]) -> None:
    """The artifact's digest is the same, from another folder at another time."""
    assert again["artifact"] == built["artifact"]
    assert Path(again["root"]) != Path(built["root"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_second_build_has_the_same_bytes(built: dict[str, Any], again: dict[str, Any], variant: str) -> None:
    """The tar of each variant is the same to the last byte, and so is the image made of it."""
    first, second = built["variants"][variant], again["variants"][variant]
    assert second["tar_sha256"] == first["tar_sha256"]
    assert second.get("image_id") == first.get("image_id")


@pytest.mark.parametrize("variant", ["slim", "null"])
def test_pulled_image_is_the_one_in_the_index(built: dict[str, Any], docker: APIClient, variant: str) -> None:
    """Docker pulls it by its digest and finds the image id that was computed here."""
    found = built["variants"][variant]
    name = f"{found['image'].rpartition(':')[0]}@{found['image_digest']}"
    there = {image["Id"] for image in docker.images()}
    docker.pull(name)
    try:
        pulled: dict[str, Any] = docker.inspect_image(name)  # type: ignore[no-untyped-call]
        assert pulled["Id"] == found["image_id"]
    finally:
        if found["image_id"] not in there:
            docker.remove_image(name)


@pytest.mark.parametrize("variant", ["slim", "full"])
def test_nothing_of_one_machine_is_in_the_tree(built: dict[str, Any], variant: str) -> None:
    """No name server, host name or machine id; every entry has the one fixed time."""
    with tarfile.open(built["variants"][variant]["tar"]) as archive:
        entries = archive.getmembers()
    filled = [e.name for e in entries if OF_ONE_MACHINE.search(e.name) and e.size]
    assert filled == []
    assert len({entry.mtime for entry in entries}) == 1


def test_index_is_whole(built: dict[str, Any]) -> None:
    """What the substrates read is what was built, and lies where it says."""
    read = json.loads((Path(built["root"]).parents[1] / "service.json").read_text())
    assert read == built
    assert (Path(read["root"]) / read["loader"]).is_file()
