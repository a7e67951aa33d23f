"""Files are replaced whole, created once, and leave nothing beside them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from machine import files


def test_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    """The content and the permission bits are the new ones whatever the umask is, and no other file is left."""
    path = tmp_path / "folder" / "file"
    before = os.umask(0o077)
    try:
        files.write(path, "one", mode=0o644)
        files.write(path, b"two", mode=0o640, durable=True)
    finally:
        os.umask(before)

    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full at the last moment the old content stays and nothing is left beside it."""
    path = tmp_path / "file"
    files.write(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write(path, "new", durable=True)

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_created_once(tmp_path: Path) -> None:
    """Of two that create a file one succeeds; the other changes nothing. It is private."""
    path = tmp_path / "secret"

    assert files.create(path, "first")
    assert not files.create(path, "second")
    assert path.read_text() == "first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_read_is_nothing(tmp_path: Path) -> None:
    """An absent file and one that is not JSON are None."""
    (tmp_path / "torn").write_text('{"a":')
    files.write_json(tmp_path / "whole", {"a": 1})

    assert files.read_json(tmp_path / "absent") is None
    assert files.read_json(tmp_path / "torn") is None
    assert files.read_json(tmp_path / "whole") == {"a": 1}
