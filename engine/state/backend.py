"""The backend: a directory with the states of all stacks, laid out as Pulumi's `file://` backend
(docs/engine-rules.md 1.4).

    <root>/.pulumi/meta.yaml                                    version: 1
                  /stacks/<project>/<stack>.json                the state; the one before it in .json.bak
                  /backups/<project>/<stack>/<stack>.<ns>.json  one per run
                  /history/<project>/<stack>/…                  one record and one state per run (`history`)
                  /locks/organization/<project>/<stack>/        who is writing (`lock`)

Out of scope: cloud storage, the layout from before projects, zstd (gzip is read, plain JSON is written), tags.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from engine.errors import WrongUse
from engine.state import durable_files

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_SUFFIXES = (".json", ".json.gz", ".json.zst")
_NO_BACKUPS = ("PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS", "PULUMI_DISABLE_CHECKPOINT_BACKUPS")


@dataclass(frozen=True)
class StackEntry:
    """A stack that the backend has a state of."""

    project: str
    stack: str
    path: Path
    modified: float  # seconds since 1970


def check_name(name: str, what: str = "stack") -> str:
    """`name`, if Pulumi allows it for a stack or a project."""
    # Pulumi lets "." and ".." pass; they are directories here.
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise WrongUse(
            f"{what} name {name!r}: only 1 to 100 letters, digits, hyphens, underscores and periods"
        )
    return name


def root_of(url: str) -> Path:
    """The directory a backend URL names: `file:///absolute`, `file://relative`, `file://~`."""
    scheme, separator, rest = url.partition("://")
    if scheme != "file" or not separator:
        raise WrongUse(
            f"backend {url!r}: the embedded engine keeps states in directories only (file://DIRECTORY)",
            "export PULUMI_BACKEND_URL=file://~",
        )
    return Path(unquote(rest.partition("?")[0]) or ".").expanduser().absolute()


def open_backend(url: str = "", environment: Mapping[str, str] | None = None) -> Backend:
    """The backend at `url`, else at PULUMI_BACKEND_URL, else in the home directory."""
    environment = os.environ if environment is None else environment
    backend = Backend(root_of(url or environment.get("PULUMI_BACKEND_URL") or "file://~"))
    backend.keeps_backups = not any(environment.get(name) in ("1", "true") for name in _NO_BACKUPS)
    return backend


class Backend:
    """The states under one root directory. Nothing is created before the first write."""

    def __init__(self, root: Path) -> None:
        """WrongUse if the directory has a layout of another version."""
        self.root = root
        self.keeps_backups = True
        self._meta = root / ".pulumi" / "meta.yaml"
        self._check_layout()

    def stacks(self, project: str | None = None) -> list[StackEntry]:
        """Every stack, or those of one project, by name."""
        found: dict[tuple[str, str], StackEntry] = {}
        for path in sorted((self.root / ".pulumi" / "stacks").glob("*/*")):
            stack = next((path.name.removesuffix(it) for it in _SUFFIXES if path.name.endswith(it)), "")
            if _NAME.fullmatch(stack) and project in (None, path.parent.name):
                entry = StackEntry(path.parent.name, stack, path, path.stat().st_mtime)
                found[entry.project, stack] = entry
        return list(found.values())

    def exists(self, project: str, stack: str) -> bool:
        """Whether the stack has a state."""
        return self.state_file(project, stack).exists()

    def read(self, project: str, stack: str) -> bytes:
        """The stack's state, whole: WrongUse names a backup if it is damaged."""
        path = self.state_file(project, stack)
        if not path.exists():
            raise WrongUse(
                f"there is no stack {stack!r} of project {project!r} in {self.root}",
                f"python -m engine up --stack {stack}",
            )
        if path.suffix == ".zst":
            raise WrongUse(
                f"{path}: states compressed with zstd are not read", f"zstd -d --rm {shlex.quote(str(path))}"
            )
        try:
            return _parsed(path)
        except ValueError as error:
            raise self._damaged(project, stack, path, error) from error

    def write(self, project: str, stack: str, data: bytes) -> None:
        """Replace the stack's state, durable on return; the one before it stays as .bak."""
        old = self.state_file(project, stack)
        path = self._base(project, stack)
        self._make_meta()
        durable_files.write(path, data, keep_previous=True)
        if old != path:  # it was compressed: the newest file counts, but two would confuse
            old.replace(old.with_name(f"{old.name}.bak"))
            durable_files.remove(old)

    def remove(self, project: str, stack: str, *, backups: bool = False) -> None:
        """Forget a stack: state, tags, history. As with Pulumi a .bak stays unless `backups`."""
        path = self.state_file(project, stack)
        backup = path.with_name(f"{path.name}.bak")
        if backups:
            durable_files.remove(backup)
            _remove_files(self._directory("backups", project, stack))
        elif path.exists():
            durable_files.write(backup, path.read_bytes())
        _remove_files(self._directory("history", project, stack))
        durable_files.remove(path.with_name(f"{stack}.pulumi-tags"))
        durable_files.remove(path)
        if path.parent.is_dir():
            durable_files.sync_directory(path.parent)

    def remove_torn(self, project: str, stack: str) -> None:
        """Remove what a writer that was killed left unfinished; the caller holds the stack's lock."""
        for kind in ("history", "backups"):
            _remove_all(self._directory(kind, project, stack), "*.tmp")
        _remove_all(self._base(project, stack).parent, f"{stack}.json*.tmp")

    def backup(self, project: str, stack: str) -> Path | None:
        """Copy the state to backups/, as is done after each run; None if the user switched that off."""
        if not self.keeps_backups:
            return None
        path = self.state_file(project, stack)
        suffix = path.name.removeprefix(stack)
        copy = self._directory("backups", project, stack) / f"{stack}.{time.time_ns()}{suffix}"
        durable_files.write(copy, path.read_bytes())
        return copy

    def state_file(self, project: str, stack: str) -> Path:
        """Where the state is, or would be: the newest of the plain and the compressed file."""
        base = self._base(project, stack)
        candidates = [base.with_name(f"{stack}{suffix}") for suffix in _SUFFIXES]
        there = [path for path in candidates if path.exists()]
        return max(there, key=lambda path: path.stat().st_mtime, default=base)

    def history_directory(self, project: str, stack: str) -> Path:
        """Where `history` keeps the records of past runs."""
        return self._directory("history", project, stack)

    def lock_directory(self, project: str, stack: str) -> Path:
        """Where `lock` keeps the lock files; a directory's organization is always called organization."""
        return self._directory("locks/organization", project, stack)

    def _base(self, project: str, stack: str) -> Path:
        return self._directory("stacks", project, stack).with_name(f"{stack}.json")

    def _directory(self, kind: str, project: str, stack: str) -> Path:
        return self.root / ".pulumi" / kind / check_name(project, "project") / check_name(stack)

    def _check_layout(self) -> None:
        if not self._meta.exists():
            if any((self.root / ".pulumi" / "stacks").glob("*.json")):
                raise WrongUse(f"{self.root} has the layout from before projects", "pulumi state upgrade")
            return
        version = re.search(r"^version:\s*(\S+)", self._meta.read_text(encoding="utf-8"), re.MULTILINE)
        if version is None or version[1] != "1":
            raise WrongUse(
                f"{self._meta}: layout version {version[1] if version else 'missing'}, only 1 is known"
            )

    def _make_meta(self) -> None:
        if not self._meta.exists():
            durable_files.create(self._meta, b"version: 1\n", staging=self._meta.parent)

    def _damaged(self, project: str, stack: str, path: Path, error: Exception) -> WrongUse:
        damage = f"{path}: the state is damaged ({error})"
        backup = next(self._backups(project, stack, path), None)
        if backup is None:
            return WrongUse(f"{damage} and there is no readable backup")
        command = f"cp {shlex.quote(str(backup))} {shlex.quote(str(path))}"
        return WrongUse(f"{damage}; newest readable backup: {backup}", command)

    def _backups(self, project: str, stack: str, path: Path) -> Iterator[Path]:
        """Readable older states, newest first."""
        candidates = [path.with_name(f"{path.name}.bak")]
        candidates += self._directory("backups", project, stack).glob("*.json*")
        candidates += self._directory("history", project, stack).glob("*.checkpoint.json*")
        there = [it for it in candidates if it.exists() and not it.name.endswith((".attrs", ".zst"))]
        for candidate in sorted(there, key=lambda it: it.stat().st_mtime, reverse=True):
            try:
                _parsed(candidate)
            except (ValueError, OSError):
                continue
            yield candidate


def _parsed(path: Path) -> bytes:
    """A file's content, uncompressed; ValueError unless it is a state."""
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise ValueError(f"damaged gzip: {error}") from error
    document = json.loads(data)
    if not isinstance(document, dict) or not document:
        raise ValueError("not a JSON object with members")
    return data


def _remove_files(directory: Path) -> None:
    """Remove a directory of plain files."""
    if directory.is_dir():
        _remove_all(directory, "*")
        directory.rmdir()


def _remove_all(directory: Path, pattern: str) -> None:
    for path in directory.glob(pattern):
        path.unlink(missing_ok=True)
