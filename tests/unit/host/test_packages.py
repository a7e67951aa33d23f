"""What is missing, and how apt is asked for it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from host import packages
from host.packages import Package
from machine import commands
from machine.errors import Unavailable, VmlabError
from tests.unit.host.conftest import Runner

KNOWN = "tool:\n  Installed: (none)\n  Candidate: 1.0\n"
WANTED = (Package("tool", "tool"),)


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    """A Debian with fresh package lists."""
    for folder in ("etc", "usr/sbin", "var/lib/apt/lists"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/debian_version").write_text("12.5\n")
    (tmp_path / "var/lib/apt/lists/mirror_Packages").touch()
    return tmp_path


@pytest.fixture(autouse=True)
def only_dpkg(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command is there but dpkg-query."""
    monkeypatch.setattr(
        commands, "find", lambda name: "/usr/bin/dpkg-query" if name == "dpkg-query" else None
    )


def test_missing(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed packages and those whose command is there are not missing; removed ones with settings left are."""
    runner.answers["dpkg-query"] = "curl installed\nhalf config-files\n"
    asked = [Package("curl"), Package("half"), Package("tool", "tool")]

    assert packages.missing(asked) == ["half", "tool"]
    monkeypatch.setattr(commands, "find", lambda name: f"/bin/{name}")
    assert packages.missing(asked) == ["half"]


def test_install(runner: Runner, debian: Path) -> None:
    """With fresh lists there is one install, without recommendations and without questions."""
    runner.answers["apt-cache"] = KNOWN

    packages.install(["tool"], print, debian)

    assert runner.began("apt-get -q -o DPkg::Lock::Timeout=120 update") == []
    assert len(runner.began("apt-get")) == 1
    assert runner.commands[-1].endswith("install -y --no-install-recommends tool")


def test_lists_are_fetched_when_missing_old_or_ignorant(runner: Runner, debian: Path) -> None:
    """`apt-get update` comes first in each of the three cases."""
    lists = debian / "var/lib/apt/lists"
    runner.answers["apt-cache"] = ""
    packages.install(["tool"], print, debian)
    runner.answers["apt-cache"] = KNOWN
    (lists / "mirror_Packages").unlink()
    packages.install(["tool"], print, debian)
    (lists / "mirror_Packages").touch()
    os.utime(lists, (0, time.time() - 30 * 24 * 3600))
    packages.install(["tool"], print, debian)

    verbs = ["update" if " update" in command else "install" for command in runner.began("apt-get")]
    assert verbs == ["update", "install"] * 3


def test_an_unknown_package_without_a_network(runner: Runner, debian: Path) -> None:
    """When the lists cannot be fetched, what matters is whether the package is known; the message names it."""
    runner.answers = {
        "apt-cache": "",
        "apt-get -q -o DPkg::Lock::Timeout=120 update": VmlabError("no network"),
    }

    with pytest.raises(VmlabError, match=r"(?s)tool.*no network"):
        packages.install(["tool"], print, debian)


def test_superseded_versions_are_tried_again(runner: Runner, debian: Path) -> None:
    """An install that fails on young lists fetches them and tries once more."""
    attempts = []

    def fail_once() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise VmlabError("404")

    runner.answers = {"apt-cache": KNOWN, "apt-get -q -o DPkg::Lock::Timeout=120 install": fail_once}
    packages.install(["tool"], print, debian)

    assert len(attempts) == 2


def test_policy_is_there_while_installing_and_gone_after(runner: Runner, debian: Path) -> None:
    """Maintainer scripts start no daemons, even when the installation fails; nothing is left."""
    policy = debian / "usr/sbin/policy-rc.d"
    seen = []

    def look() -> None:
        seen.append((policy.read_text().endswith("exit 101\n"), os.access(policy, os.X_OK)))
        raise VmlabError("dpkg failed")

    runner.answers = {"apt-cache": KNOWN, "apt-get -q -o DPkg::Lock::Timeout=120 install": look}
    with pytest.raises(VmlabError, match="dpkg failed"):
        packages.install(["tool"], print, debian)

    assert seen == [(True, True)] * 2
    assert not policy.exists()


def test_a_foreign_policy_stays(runner: Runner, debian: Path) -> None:
    """A policy-rc.d that somebody else made is used and left."""
    policy = debian / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    runner.answers["apt-cache"] = KNOWN

    packages.install(["tool"], print, debian)

    assert policy.read_text() == "#!/bin/sh\nexit 101\n"


def test_needs(runner: Runner, debian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not root: the sudo line. Not Debian: said. Root on Debian: fine."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Unavailable, match="sudo apt-get install --no-install-recommends tool"):
        packages.needs(WANTED, debian)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    packages.needs(WANTED, debian)
    (debian / "etc/debian_version").unlink()
    with pytest.raises(Unavailable, match="not a Debian"):
        packages.needs(WANTED, debian)
