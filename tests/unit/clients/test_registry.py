"""The registry's client: blobs and manifests go there and come back; what does not answer is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.registry import Registry, digest_of
from machine.errors import VmlabError
from tests.unit.clients.conftest import Registry as Server


def test_what_is_put_can_be_read(registry: Server, tmp_path: Path) -> None:
    """Bytes and files are stored by their digest, a manifest by its tag."""
    client = Registry(registry.address)
    (tmp_path / "layer.tar").write_bytes(b"tar" * 1000)
    layer, config, manifest = digest_of(b"tar" * 1000), digest_of(b"{}"), b'{"schemaVersion": 2}'

    client.put_blob("vmlab/x", layer, tmp_path / "layer.tar")
    client.put_blob("vmlab/x", config, b"{}")
    client.put_manifest("vmlab/x", "1", manifest)

    assert client.blob("vmlab/x", layer) == b"tar" * 1000
    assert client.blob("vmlab/x", config) == b"{}"
    assert client.manifest("vmlab/x", "1") == manifest
    assert client.digest("vmlab/x", "1") == digest_of(manifest)


def test_a_blob_that_is_there_is_not_sent_again(registry: Server) -> None:
    """One question replaces the upload."""
    client = Registry(registry.address)
    client.put_blob("vmlab/x", digest_of(b"a"), b"a")
    registry.calls.clear()

    client.put_blob("vmlab/x", digest_of(b"a"), b"a")

    assert [call.partition(" ")[0] for call in registry.calls] == ["HEAD"]


def test_what_is_missing(registry: Server) -> None:
    """A missing manifest is None or empty; a missing blob is an error with status and path."""
    client = Registry(registry.address)

    assert client.manifest("vmlab/x", "1") is None
    assert client.digest("vmlab/x", "1") == ""
    with pytest.raises(VmlabError, match=r"answered 404 to GET /v2/vmlab/x/blobs/sha256:0"):
        client.blob("vmlab/x", "sha256:0")


def test_whether_it_answers(registry: Server) -> None:
    """A registry answers /v2/; where no process listens the answer is no, and a call fails with the next command."""
    nowhere = Registry("127.0.0.1:1", seconds=1)

    assert Registry(registry.address).answers()
    assert not nowhere.answers()
    with pytest.raises(VmlabError, match=r"no registry answers at 127\.0\.0\.1:1") as failed:
        nowhere.digest("vmlab/x", "1")
    assert failed.value.next_command == "vmlab host up registry artifact"
