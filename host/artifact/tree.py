"""A tree made the same each time: times, bytecode, privileges; and the program that its command starts.

Python compiles a module that has no bytecode, which is 3.4 ms of every start here; Debian's own bytecode carries times,
and maintainer scripts that would make it do not run in `slim`. So the tree's interpreter makes it, unchecked, the
same each time. Out of scope: packing, which is `archive`'s.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
from pathlib import Path

from machine import commands

SECONDS = 1_700_000_000  # the time of every file: SOURCE_DATE_EPOCH
_LIBRARIES = ("python3", "python3.[0-9]*")
_PT_INTERP = 3


def normalise(root: Path, *, setuid: bool) -> None:
    """Bytecode, privileges and times."""
    for stale in sorted(root.rglob("__pycache__")):
        shutil.rmtree(stale)
    _compile(root)
    for folder, names, files in os.walk(root, topdown=False):
        for name in (*names, *files):
            _settle(Path(folder) / name, setuid)
    os.utime(root, (SECONDS, SECONDS))
    root.chmod(0o755)


def in_place(root: Path, program: Path) -> list[str]:
    """How a program of the tree is started where it lies: through the tree's loader, with the tree's libraries."""
    loader = interpreter(root, program)
    if not loader:
        return [str(program)]
    folders = ":".join(str(root / folder) for folder in library_path(root))
    return [str(root / loader), "--library-path", folders, str(program)]


def interpreter(root: Path, program: Path) -> str:
    """The loader that a program names, relative to the root; empty for a static one. ValueError if it is not a program."""
    data = program.read_bytes()
    if data[:5] != b"\x7fELF\x02":
        raise ValueError("is not a 64-bit program but a script or data; name its interpreter first")
    start, size, count = *struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)
    for at in range(start, start + size * count, size):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, at)
        if kind == _PT_INTERP:
            return str(inside(root, data[offset : offset + length].rstrip(b"\0").decode()).relative_to(root))
    return ""


def library_path(root: Path) -> list[str]:
    """The directories of the tree in which its loader looks, relative to the root; there is no ld.so.cache to ask."""
    found = [inside(root, name) for name in _configured(root)]
    found += sorted((root / "usr/lib").glob("*-linux-gnu"))
    return list(dict.fromkeys(str(path.relative_to(root)) for path in found if path.is_dir()))


def inside(root: Path, name: str) -> Path:
    """The real path of a name in the tree; links are followed as if the tree were `/`, so none leads out of it."""
    path, todo, links = root, list(Path(name.lstrip("/")).parts), 0
    while todo:
        part = todo.pop(0)
        following = path / part
        if part == "..":
            path = root if path == root else path.parent
        elif following.is_symlink() and links < 40:
            links += 1
            target = following.readlink()
            path = root if target.is_absolute() else path
            todo = [*(p for p in target.parts if p != "/"), *todo]
        else:
            path = following
    return path


def _compile(root: Path) -> None:
    pythons = [
        p for p in (root / "usr/bin").glob("python3.[0-9]*") if p.name.count(".") == 1 and not p.is_symlink()
    ]
    folders = [str(p) for pattern in _LIBRARIES for p in sorted((root / "usr/lib").glob(pattern))]
    for python in pythons:
        # -B and -f: what compileall imports would be written with this machine's path in it, and then left as it is.
        how = ["-I", "-S", "-B", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
        command = [*in_place(root, python), *how, "-s", str(root), "-p", "/", *folders]
        commands.run(command, timeout_seconds=300, environment={"PYTHONHASHSEED": "0"})


def _configured(root: Path) -> list[str]:
    lines = [
        row
        for path in sorted((root / "etc/ld.so.conf.d").glob("*.conf"))
        for row in path.read_text().split("\n")
    ]
    return [row.strip() for row in lines if row.strip().startswith("/")]


def _settle(path: Path, setuid: bool) -> None:
    """A tree that lies on the host must not offer programs that run as root."""
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode) and mode & 0o6000 and not setuid:
        path.chmod(stat.S_IMODE(mode) & ~0o6000)
    os.utime(path, (SECONDS, SECONDS), follow_symlinks=False)
