"""What a volume holds when it is created: a plain archive of small files, or the bytes of a template.

The archive is ustar, the same bytes for the same files, so that its fingerprint shows whether they changed. The guest
reads it from the raw disk, without a file system. Template files are sparse, and only their data is sent.
Out of scope: compression, and content of qcow2 volumes.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from machine.errors import InvalidInput

SECTOR_BYTES = 512
HEAD_BYTES = 2048  # an ext4 begins with 1 KiB of zeros
PIECE_BYTES = 1024**2
Piece = tuple[int, bytes]  # offset in bytes, data


def archive(files: Mapping[str, str]) -> bytes:
    """The files as a ustar archive of whole sectors: sorted, root's, 0600, no time."""
    buffer = io.BytesIO()
    try:
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, text in sorted(files.items()):
                member, data = tarfile.TarInfo(_plain(name)), text.encode()
                member.size, member.mode = len(data), 0o600
                tar.addfile(member, io.BytesIO(data))
    except ValueError:
        raise InvalidInput("a file of a volume has a name that a plain archive cannot hold") from None
    raw = buffer.getvalue()
    return raw + bytes(-len(raw) % SECTOR_BYTES)


def _plain(name: str) -> str:
    if not name or name.startswith("/") or ".." in name.split("/") or not name.isprintable():
        raise InvalidInput(f"a file of a volume needs a plain relative name, not {name!r}")
    return name


def pieces(data: bytes) -> Iterator[Piece]:
    """The bytes in pieces, the first one last: a volume that begins with zeros is unfinished."""
    starts = range(0, len(data), PIECE_BYTES)
    for start in [*starts[1:], *starts[:1]]:
        yield start, data[start : start + PIECE_BYTES]


def pieces_of(template: Path) -> Iterator[Piece]:
    """The data of a sparse file, piece by piece, the first one last."""
    with template.open("rb") as file:
        starts = [
            (at, min(PIECE_BYTES, end - at))
            for start, end in _extents(file.fileno())
            for at in range(start, end, PIECE_BYTES)
        ]
        for start, length in [*starts[1:], *starts[:1]]:
            file.seek(start)
            yield start, file.read(length)


def is_blank(template: Path) -> bool:
    """Whether a template begins with zeros, as an unfinished volume does."""
    with template.open("rb") as file:
        return not any(file.read(HEAD_BYTES))


def _extents(descriptor: int) -> Iterator[tuple[int, int]]:
    size, at = os.fstat(descriptor).st_size, 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:  # a hole up to the end
            return
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, at


def send(api: Any, volume: Any, piece: Piece) -> None:
    """Write a piece into a volume through libvirt's stream."""
    start, data = piece
    stream = api.newStream(0)
    volume.upload(stream, start, len(data))
    left = memoryview(data)

    def more(_stream: Any, count: int, _opaque: Any) -> bytes:
        nonlocal left
        chunk, left = bytes(left[:count]), left[count:]
        return chunk

    stream.sendAll(more, None)
    stream.finish()


def receive(api: Any, volume: Any, length: int) -> bytes:
    """Read the first bytes of a volume; 0 is all of it."""
    stream, chunks = api.newStream(0), list[bytes]()
    volume.download(stream, 0, length)
    stream.recvAll(lambda _stream, data, _opaque: chunks.append(data), None)
    stream.finish()
    return b"".join(chunks)


def fingerprint(data: bytes, capacity_bytes: int = 0) -> str:
    """SHA-256 of the bytes on a disk of this size: zeros follow."""
    return hashlib.sha256(data + bytes(max(0, capacity_bytes - len(data)))).hexdigest()
