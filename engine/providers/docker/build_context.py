"""A build context: which files belong to it, its digest, and the tar that Docker gets.

The digest is the official provider's: sha256 over the Dockerfile (as `Dockerfile`, mode 0), then every file
in walking order: name, Go's mode string, sha256 of the content, a zero byte. So a stack made by one engine
shows no difference under the other. One deviation: a symbolic link counts as the target it names, not as
the resolved path, which would depend on where the checkout is. Files other than regular files and links do
not count and are not sent.
The tar carries no times and no owners, so that the same digest gives the same bytes.
Source: pulumi-docker provider/provider.go, hashContext (rules only).
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from docker.utils.build import PatternMatcher  # type: ignore[import-untyped, unused-ignore]

DEFAULT_DOCKERFILE = "Dockerfile"


@dataclass(frozen=True)
class BuildContext:
    """A directory and the Dockerfile to build it with, which may lie outside."""

    directory: Path
    dockerfile: Path

    def digest(self) -> str:
        """What the official provider calls `contextDigest`."""
        whole = hashlib.sha256()
        _add(whole, DEFAULT_DOCKERFILE, "----------", _content(self.dockerfile))
        for name in self.files():
            path = self.directory / name
            _add(whole, name, mode_string(path), _content(path))
        return whole.hexdigest()

    def files(self) -> list[str]:
        """The files that belong to it, in walking order: by name, a directory's content in its place."""
        matcher = PatternMatcher(self._ignore_patterns())
        names = (name for name in matcher.walk(str(self.directory)) if _counts(self.directory / name))
        return sorted(names, key=lambda name: name.split("/"))

    def tar(self, labels: Mapping[str, str] | None = None) -> tuple[IO[bytes], str]:
        """The bytes for Docker, and the name under which they hold the Dockerfile."""
        content = labelled(self.dockerfile.read_bytes(), labels or {})
        name = f".dockerfile.{hashlib.sha256(content).hexdigest()[:16]}"
        # Docker takes a Dockerfile that .dockerignore names out of what COPY sees.
        ignore = "\n".join([*self._ignore_patterns(), name, ".dockerignore", ""]).encode()
        stream = tempfile.TemporaryFile()  # noqa: SIM115 - the caller reads it; a root file system is too big for memory
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for path in self.files():
                if path != ".dockerignore":
                    self._add_file(archive, path)
            for extra, data in ((name, content), (".dockerignore", ignore)):
                info = tarfile.TarInfo(extra)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        stream.seek(0)
        return stream, name

    def _add_file(self, archive: tarfile.TarFile, name: str) -> None:
        info = archive.gettarinfo(str(self.directory / name), arcname=name)
        info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
        if info.isreg():
            with (self.directory / name).open("rb") as content:
                archive.addfile(info, content)
        else:
            archive.addfile(info)

    def _ignore_patterns(self) -> list[str]:
        """`<Dockerfile>.dockerignore` beats `.dockerignore`."""
        for path in (
            self.dockerfile.with_name(self.dockerfile.name + ".dockerignore"),
            self.directory / ".dockerignore",
        ):
            if path.is_file():
                lines = [line.strip() for line in path.read_text().splitlines()]
                return [line for line in lines if line and not line.startswith("#")]
        return []


def labelled(recipe: bytes, labels: Mapping[str, str]) -> bytes:
    """A Dockerfile whose stages begin with these labels.

    Docker puts the labels of a build on the last image only; what an interrupted build leaves would have no owner.
    """
    directive = re.match(rb"(?:#[^\n]*\n)*?#\s*escape\s*=\s*(\S)", recipe, re.IGNORECASE)
    escape = directive[1] if directive else b"\\"
    pairs = [f'"{name}"="{value}"' for name, value in labels.items()]
    label = f"LABEL {' '.join(pairs)}\n".encode() if pairs else b""
    lines: list[bytes] = []
    inside = stage = False  # an instruction that goes on in this line; that one is a FROM
    for line in recipe.splitlines(keepends=True):
        comment = line.lstrip().startswith(b"#")
        if not inside and not comment:
            stage = re.match(rb"\s*FROM\s", line, re.IGNORECASE) is not None
        inside = inside if comment else line.rstrip().endswith(escape)
        ends = stage and not inside and not comment
        lines += [line if line.endswith(b"\n") or not ends else line + b"\n", *([label] if ends else [])]
        stage = stage and not ends
    return b"".join(lines)


def mode_string(path: Path) -> str:
    """A file's mode as Go prints it."""
    mode = path.lstat().st_mode
    letters = "L" if stat.S_ISLNK(mode) else ""
    letters += "".join(
        c for c, bit in (("u", stat.S_ISUID), ("g", stat.S_ISGID), ("t", stat.S_ISVTX)) if mode & bit
    )
    return (letters or "-") + "".join(_permissions(mode))


def _permissions(mode: int) -> Iterator[str]:
    for position, letter in enumerate("rwxrwxrwx"):
        yield letter if mode & (1 << (8 - position)) else "-"


def _counts(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _add(whole: hashlib._Hash, name: str, mode: str, content: bytes) -> None:
    whole.update(name.encode() + mode.encode() + content + b"\0")


def _content(path: Path) -> bytes:
    """The sha256 of a file, or of a link's target."""
    if path.is_symlink():
        return hashlib.sha256(str(path.readlink()).encode()).digest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
