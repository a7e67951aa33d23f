"""What the guests' root file systems hold: nobody can log in."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from machine.errors import VmlabError
from substrates.inputs import artifact
from substrates.vm import guest
from tests.live.conftest import missing

pytestmark = [pytest.mark.live]
# /bin and /sbin are links to those below /usr.
FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/lib/openssh", "/usr/local/bin", "/usr/local/sbin")
SERVERS = {"sshd", "dropbear", "telnetd", "in.telnetd", "rlogind"}


@pytest.fixture(params=["slim", "full"])
def disk(request: pytest.FixtureRequest) -> Path:
    """The built disk of each variant."""
    if shutil.which("debugfs") is None:
        missing("no debugfs here; vmlab host up guest")
    try:
        return guest.disk(artifact.load(), request.param)
    except VmlabError as error:
        missing(str(error))
        raise


def test_no_program_that_lets_anybody_in(disk: Path) -> None:
    """There is no SSH server, and no other that lets somebody in from outside."""
    found = {name for folder in FOLDERS for name in names(disk, folder)}

    assert found
    assert found & SERVERS == set()


def test_no_password_and_no_key(disk: Path) -> None:
    """Every account is locked, and root has no key that opens it."""
    accounts = rows(disk, "/etc/passwd")
    shadow = {account: password for account, password, *_ in rows(disk, "/etc/shadow")}

    assert {"root", "service"} <= {account for account, *_ in accounts}
    for account, password, *_ in accounts:
        assert (shadow or {account: "*"})[account].startswith(("!", "*")), account
        assert password == "x", account
    assert ".ssh" not in names(disk, "/root")


def rows(disk: Path, path: str) -> list[list[str]]:
    """The lines of a file of the disk, in fields; none where there is no such file."""
    return [line.split(":") for line in debugfs(disk, f"cat {path}").splitlines()]


def names(disk: Path, folder: str) -> list[str]:
    """What is in a folder of the disk; nothing where there is no such folder."""
    fields = [line.split("/") for line in debugfs(disk, f"ls -p {folder}").splitlines()]
    return [name for name in (row[5] for row in fields if len(row) > 5) if name not in (".", "..")]


def debugfs(disk: Path, request: str) -> str:
    """What the file system itself says; it is not mounted."""
    done = subprocess.run(["debugfs", "-R", request, str(disk)], capture_output=True, text=True, check=True)
    return done.stdout
