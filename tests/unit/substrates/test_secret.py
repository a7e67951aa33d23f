"""Secret files: who may read them, that they are replaced in one step, and that they go."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from machine.addresses import USER
from substrates.inputs import secret


def test_file_is_its_users_alone(home: Path) -> None:
    """0400, of the service's user where root wrote it, in a directory that its user can enter."""
    path = secret.write("try", "hunter2")
    found = path.stat()
    assert path.read_text() == "hunter2"
    assert stat.S_IMODE(found.st_mode) == 0o400
    assert (found.st_uid, found.st_gid) == (
        (USER, USER) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    )
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    assert path.is_relative_to(home)


def test_second_write_replaces_the_first(home: Path) -> None:
    """The same name again is a new file in the place of the old one, with nothing left beside it."""
    first = secret.write("try", "one").stat().st_ino
    path = secret.write("try", "two")
    assert path.read_text() == "two"
    assert path.stat().st_ino != first
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def test_torn_write_is_in_nobodys_way(home: Path) -> None:
    """What a killed write left is replaced."""
    path = secret.path_of("try")
    path.parent.mkdir(parents=True)
    path.with_suffix(".new").write_text("torn")
    assert secret.write("try", "whole").read_text() == "whole"


def test_fingerprint_is_of_what_the_file_holds(home: Path) -> None:
    """SHA-256 of the file, empty when there is none."""
    assert secret.fingerprint("try") == ""
    secret.write("try", "hunter2")
    assert secret.fingerprint("try") == hashlib.sha256(b"hunter2").hexdigest()


def test_remove_leaves_nothing_and_may_be_repeated(home: Path) -> None:
    """The file goes with its directory, and what is gone is removed without an error."""
    secret.write("one", "1")
    secret.write("two", "2")
    assert secret.names() == ["one", "two"]
    secret.remove("one")
    secret.remove("one")
    assert secret.names() == ["two"]
    assert not secret.path_of("one").parent.exists()
