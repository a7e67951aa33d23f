"""An image is the same each time, and only what the registry has not is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from host.artifact import image
from host.artifact.definition import Definition
from machine.errors import VmlabError
from tests.unit.clients.conftest import Registry, registry

__all__ = ["registry"]


@pytest.fixture
def one(definition: Definition, tmp_path: Path) -> image.Image:
    """The image of a small tar."""
    (tmp_path / "slim.tar").write_bytes(b"tar" * 1000)
    return image.describe(definition, tmp_path / "slim.tar")


def test_the_image_is_the_same_each_time(definition: Definition, one: image.Image, tmp_path: Path) -> None:
    """Same tar and definition, same id and digest; another tar, another image."""
    (tmp_path / "other.tar").write_bytes(b"rat")

    assert image.describe(definition, one.tar).digest == one.digest
    assert image.describe(definition, tmp_path / "other.tar").id != one.id


def test_the_image_starts_the_command_as_the_services_user(one: image.Image) -> None:
    """The config has the command without marks, the user and the port."""
    config: dict[str, Any] = json.loads(one.config)["config"]

    assert config["Entrypoint"] == ["/usr/bin/python3.11", "/srv/app.py"]
    assert config["User"] == "65532:65532"
    assert list(config["ExposedPorts"]) == ["8080/tcp"]


def test_a_push_stores_blobs_then_the_manifest(one: image.Image, registry: Registry) -> None:
    """A manifest must never name what is not there."""
    assert image.push(one, registry.address)

    stored = list(registry.stored)
    assert registry.stored[f"/v2/vmlab/service/blobs/{one.layer}"] == one.tar.read_bytes()
    assert stored[-1] == f"/v2/vmlab/service/manifests/{one.name.partition(':')[2]}"
    assert registry.stored[stored[-1]] == one.manifest


def test_a_second_push_sends_nothing(one: image.Image, registry: Registry) -> None:
    """One question, and that is all."""
    image.push(one, registry.address)
    registry.calls.clear()

    assert not image.push(one, registry.address)
    assert len(registry.calls) == 1


def test_no_registry_says_what_to_do(one: image.Image) -> None:
    """The error names the next command."""
    with pytest.raises(VmlabError, match=r"no registry answers at 127\.0\.0\.1:1") as failed:
        image.push(one, "127.0.0.1:1")

    assert failed.value.next_command == "vmlab host up registry artifact"
