"""The door to subprocesses: what a child sees, how it ends, what its failure reports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from machine import commands
from machine.errors import VmlabError


def test_a_child_sees_an_allow_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of other programs stay here; proxies, certificates, places of a user and vmlab's own settings are passed."""
    passed = {
        "https_proxy": "p",
        "HTTPS_PROXY": "q",
        "SSL_CERT_FILE": "c",
        "VMLAB_HOME": "/h",
        "XDG_CACHE_HOME": "/x",
        "GOFLAGS": "-v",
    }
    kept = {"AWS_SECRET_ACCESS_KEY": "s", "GITHUB_TOKEN": "t", "DATABASE_PASSWORD": "d"}
    # Prefixes of Go's and Pulumi's settings, but credentials.
    kept |= {"GOOGLE_APPLICATION_CREDENTIALS": "g", "GOOGLE_API_KEY": "k", "PULUMI_ACCESS_TOKEN": "a"}
    for name, value in {**passed, **kept}.items():
        monkeypatch.setenv(name, value)

    rows = commands.run(["env"], environment={"MORE": "m"}, timeout_seconds=10).splitlines()

    assert {f"{name}={value}" for name, value in passed.items()} <= set(rows)
    assert not [row for row in rows if row.partition("=")[0] in kept]
    assert "MORE=m" in rows
    assert "LC_ALL=C" in rows


def test_folder_and_user(tmp_path: Path) -> None:
    """A command runs in the folder it is given and, as root, as the user it is given, without other groups."""
    assert commands.run(["pwd"], directory=tmp_path).strip() == str(tmp_path)
    if os.geteuid() == 0:
        assert commands.run(["sh", "-c", "id -u; id -g; id -G"], user=65532).split() == ["65532"] * 3


def test_a_failure_names_command_and_last_lines() -> None:
    """The message has the command, its exit code and the end of what it printed."""
    with pytest.raises(VmlabError, match=r"(?s)sh -c .*exit code 3.*the reason"):
        commands.run(["sh", "-c", "echo the reason >&2; exit 3"])
    with pytest.raises(VmlabError, match=r"sleep 5: not done after 0\.05 s"):
        commands.run(["sleep", "5"], timeout_seconds=0.05)


def test_watched_until_its_line() -> None:
    """A command is ended at the line that it was watched for, with all that it started; else its exit code is known."""
    found = commands.until_line(["sh", "-c", "echo ready; sleep 60"], "ready", seconds=10)
    silent = commands.until_line(["sh", "-c", "exit 7"], "ready", seconds=10)

    assert found.found
    assert (silent.found, silent.code) == (False, 7)
