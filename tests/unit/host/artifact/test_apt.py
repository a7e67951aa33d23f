"""What apt is asked and how its answer is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.artifact import apt
from machine.errors import InvalidInput, VmlabError
from tests.unit.host.conftest import Runner

ANSWER = """Reading package lists...
Inst gcc-12-base (12.2.0-14 Debian:12 [amd64])
Inst libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [amd64]) []
Conf libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [amd64])
"""
TOML = Path("service.toml")


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with package lists of its own."""
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "mirror_main_Packages").write_text("")
    monkeypatch.setattr(apt, "LISTS", folder)
    monkeypatch.setattr(apt, "ETC", tmp_path / "etc")
    return folder


@pytest.fixture
def status(tmp_path: Path) -> Path:
    """What counts as there already."""
    apt.write_status(tmp_path / "status", ["nginx"], ["iproute2"])
    return tmp_path / "status"


def test_versions_are_read(runner: Runner, lists: Path, status: Path, tmp_path: Path) -> None:
    """Each package once, with its version."""
    runner.answers["apt-get -s"] = ANSWER

    found = apt.versions(["libc6"], status, tmp_path, TOML)

    assert found == {"gcc-12-base": "12.2.0-14", "libc6": "2.36-9+deb12u14"}


def test_apt_is_asked_again_when_the_lists_change(
    runner: Runner, lists: Path, status: Path, tmp_path: Path
) -> None:
    """It takes a second, so the answer is kept until then."""
    runner.answers["apt-get -s"] = ANSWER
    for _ in range(2):
        apt.versions(["libc6"], status, tmp_path / "kept", TOML)
    assert len(runner.commands) == 1

    (lists / "mirror_main_Packages").write_text("moved on")
    apt.versions(["libc6"], status, tmp_path / "kept", TOML)

    assert len(runner.commands) == 2


@pytest.mark.parametrize(
    "said", ["E: Unable to locate package nosuch", "E: Package 'nosuch' has no installation candidate"]
)
def test_no_such_package(runner: Runner, lists: Path, status: Path, tmp_path: Path, said: str) -> None:
    """One line that names file, key and package."""
    runner.answers["apt-get -s"] = VmlabError(f"apt-get -s install -- nosuch: exit code 100\n  {said}")

    with pytest.raises(InvalidInput) as caught:
        apt.versions(["nosuch"], status, tmp_path, TOML)

    assert str(caught.value) == "service.toml: 'packages': Debian has no package nosuch"


def test_without_lists_nothing_is_said_about_the_package(
    runner: Runner, lists: Path, status: Path, tmp_path: Path
) -> None:
    """Every package is unknown then, which is not the user's mistake."""
    (lists / "mirror_main_Packages").unlink()
    runner.answers["apt-get -s"] = VmlabError("E: Unable to locate package libc6")

    with pytest.raises(VmlabError) as caught:
        apt.versions(["libc6"], status, tmp_path, TOML)

    assert not isinstance(caught.value, InvalidInput)


def test_what_only_packaging_needs_counts_as_there(tmp_path: Path) -> None:
    """Unless the service names it itself."""
    apt.write_status(tmp_path / "status", ["dpkg"], ["iproute2"])
    text = (tmp_path / "status").read_text()

    assert "Package: debconf\n" in text
    assert "Package: iproute2\n" in text
    assert "Package: dpkg\n" not in text
