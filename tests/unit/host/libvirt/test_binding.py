"""libvirt-python: when it is built, and where it may not be put."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from host.libvirt import binding
from machine.errors import Unavailable, VmlabError
from tests.unit.host.conftest import Runner


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not installed."""
    monkeypatch.setattr(binding, "version", lambda: None)


def test_what_is_there_is_not_built_again(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command runs."""
    monkeypatch.setattr(binding, "version", binding.wanted)

    binding.needs()
    binding.install(print)

    assert runner.commands == []


def test_another_version_is_replaced(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that moved on counts: what is installed is not what is wanted."""
    monkeypatch.setattr(binding, "version", lambda: "9.0.0")

    binding.install(print)

    assert runner.commands


@pytest.mark.usefixtures("absent")
def test_everything_is_hash_checked(runner: Runner) -> None:
    """Builder and binding come from locks, and pip fetches nothing beside them."""
    binding.install(print)

    assert len(runner.commands) == 2
    assert all("--require-hashes --no-deps" in command for command in runner.commands)
    assert "--no-build-isolation" in runner.commands[1]
    for lock in (binding.LOCK, binding.BUILD_LOCK):
        assert "--hash=sha256:" in lock.read_text()
        assert "://" not in lock.read_text()


@pytest.mark.usefixtures("absent")
def test_a_build_that_fails_is_told_and_leaves_nothing(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip's last lines reach the user, and the builder's folder is gone."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    runner.answers[sys.executable] = VmlabError("pip: No matching distribution found")

    with pytest.raises(VmlabError, match="No matching distribution"):
        binding.install(print)

    assert not list(tmp_path.glob("vmlab-build-*"))


@pytest.mark.usefixtures("absent")
def test_only_an_environment_of_our_own_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's Python is refused, with what to do instead; so is somebody else's environment."""
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    with pytest.raises(Unavailable, match=r"use \./vmlab"):
        binding.needs()
    monkeypatch.undo()
    monkeypatch.setattr(binding, "version", lambda: None)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(Unavailable, match="sudo vmlab host up libvirt"):
        binding.needs()


def test_headers_are_asked_for_where_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's interpreter without its -dev package: that of the very version that runs."""
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    wanted = f"libpython{sys.version_info.major}.{sys.version_info.minor}-dev"
    assert [package.name for package in binding.headers()] == [wanted]

    (tmp_path / "Python.h").touch()
    assert binding.headers() == ()
