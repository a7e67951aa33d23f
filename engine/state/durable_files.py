"""Writing files so that a crash leaves the old content or the new one, never a part of either.

Temporary file in the same directory, fsync, previous content linked to `.bak`, rename, fsync of the
directory. The official engine does the same without any fsync, and after a power loss can be left with an
empty file (docs/engine-rules.md 1.4, 1.6.1). States hold more than passwords: files are 0600, directories 0700.
"""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_NO_NAMELESS = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}


def write(path: Path, data: bytes, *, mode: int = 0o600, keep_previous: bool = False) -> None:
    """Replace `path` by `data`, durable on return; `keep_previous` leaves the old content at `path`.bak."""
    make_directory(path.parent)
    temporary = _temporary(path)
    try:
        _write_new(temporary, data, mode)
        if keep_previous:
            _link_previous(path)
        os.replace(temporary, path)  # noqa: PTH105 - next to the os calls that it is ordered with
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
    # go-cloud keeps an MD5 beside each file; one of the old content is worse than none, which it tolerates.
    path.with_name(f"{path.name}.attrs").unlink(missing_ok=True)


def create(path: Path, data: bytes, staging: Path) -> None:
    """Make `path`, private, with this content unless it is there, durable on return. It has no name before it is whole, so
    that a kill leaves nothing; for what engines share, whose half none of them can tell from another's. Only a file system
    without files that have no name, NFS for one, sees a temporary one, in `staging`."""
    make_directory(path.parent)
    try:
        descriptor = os.open(path.parent, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NO_NAMELESS:
            raise
        _create_by_rename(path, data, _temporary(staging / path.name))
    else:
        _create_by_link(path, data, descriptor)
    sync_directory(path.parent)


def _create_by_link(path: Path, data: bytes, descriptor: int) -> None:
    try:
        _write_all(descriptor, data)
        # With a directory Python calls linkat and lets it follow the link in /proc; link() would not (open(2), O_TMPFILE).
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)
    except FileExistsError:  # another engine was quicker
        return
    finally:
        os.close(descriptor)


def _create_by_rename(path: Path, data: bytes, temporary: Path) -> None:
    try:
        _write_new(temporary, data, 0o600)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def make_directory(path: Path) -> None:
    """Create `path` and its parents, private and durable."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        directory.mkdir(mode=0o700, exist_ok=True)
        sync_directory(directory.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, if it is there, and what go-cloud keeps beside it."""
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.attrs").unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")


def _write_new(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        _write_all(descriptor, data)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _link_previous(path: Path) -> None:
    """`path`.bak becomes a second name of the present content; the next rename removes the first."""
    if not path.exists():
        return
    backup, temporary = path.with_name(f"{path.name}.bak"), _temporary(path)
    try:
        try:
            os.link(path, temporary)
        except OSError as error:
            if error.errno not in _NO_LINKS:  # a file system without links gets a copy
                raise
            _write_new(temporary, path.read_bytes(), 0o600)
        os.replace(temporary, backup)  # noqa: PTH105 - link() cannot replace, so link and rename
    finally:
        temporary.unlink(missing_ok=True)
    backup.with_name(f"{backup.name}.attrs").unlink(missing_ok=True)
