"""What is put on a disk: the same bytes for the same files, holes left out, the first piece last."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from clients.libvirt import content
from machine.errors import InvalidInput

MIB = 1024**2


def test_archive_depends_on_the_files_alone() -> None:
    """Order, time and user do not show: a plain ustar of whole sectors, root's and closed to others."""
    first, second = content.archive({"b": "2", "a": "ä"}), content.archive({"a": "ä", "b": "2"})
    assert first == second
    assert len(first) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        found = [(m.name, m.mode, m.uid, m.gid, m.mtime, m.size) for m in tar]
    assert found == [("a", 0o600, 0, 0, 0, 2), ("b", 0o600, 0, 0, 0, 1)]
    assert content.archive({"a": "x"}) != first


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../a", "a/../../b", "a\nb", "n" * 300])
def test_hostile_names_of_files_are_refused(name: str) -> None:
    """A file of an archive lies inside it, under a name that ustar holds."""
    with pytest.raises(InvalidInput):
        content.archive({name: "x"})


def test_first_piece_comes_last() -> None:
    """What was cut off begins with zeros; together the pieces are the whole."""
    data = bytes(range(256)) * 4096 * 3
    pieces = list(content.pieces(data))
    assert [start for start, _ in pieces] == [MIB, 2 * MIB, 0]
    assert b"".join(piece for _, piece in sorted(pieces)) == data
    assert list(content.pieces(b"a")) == [(0, b"a")]


def test_holes_of_a_template_are_not_sent(tmp_path: Path) -> None:
    """Only what a sparse file holds is read, and nothing of it is missing."""
    template = tmp_path / "template"
    with template.open("wb") as file:
        for at, text in ((1024, b"head"), (5 * MIB, b"middle"), (30 * MIB, b"end")):
            file.seek(at)
            file.write(text)
    pieces = list(content.pieces_of(template))
    assert pieces[-1][0] == 0
    assert sum(len(piece) for _, piece in pieces) < MIB
    built = bytearray(template.stat().st_size)
    for start, piece in pieces:
        built[start : start + len(piece)] = piece
    assert bytes(built) == template.read_bytes()


def test_blank_begins_with_zeros(tmp_path: Path) -> None:
    """A file system begins within 2 KiB, a volume that was never finished does not."""
    template = tmp_path / "template"
    template.write_bytes(bytes(1080) + b"S\xef")
    assert not content.is_blank(template)
    template.write_bytes(bytes(4096))
    assert content.is_blank(template)


def test_fingerprint_is_of_the_whole_disk() -> None:
    """Zeros follow the archive on a larger disk."""
    assert content.fingerprint(b"a", 4) == content.fingerprint(b"a\0\0\0")
    assert content.fingerprint(b"a") != content.fingerprint(b"a", 4)
