"""Links of a tree stay in it, times and privileges are fixed, the digest says what is there, the tar is the same twice."""

from __future__ import annotations

import os
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from host.artifact import archive, manifest, tree
from host.artifact.definition import Definition


@pytest.mark.parametrize(
    ("name", "real"),
    [
        ("/lib64/ld.so", "usr/lib/x86_64-linux-gnu/ld.so"),
        ("/lib/../lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"),
        ("/../../etc/passwd", "etc/passwd"),
    ],
)
def test_links_are_followed_inside(root: Path, name: str, real: str) -> None:
    """An absolute link of the tree, and `..`, lead to the tree's own file and not to this machine's."""
    assert tree.inside(root, name) == root / real


def test_a_link_to_itself_ends(root: Path) -> None:
    """A loop of links is not followed for ever."""
    (root / "loop").symlink_to("loop")

    assert tree.inside(root, "/loop") == root / "loop"


def test_the_loader_is_read_from_the_program(root: Path) -> None:
    """PT_INTERP, resolved in the tree."""
    name = b"/lib64/ld.so\0"
    header = (
        b"\x7fELF\x02" + bytes(27) + struct.pack("<Q", 64) + bytes(14) + struct.pack("<HH", 56, 1) + bytes(6)
    )
    segment = struct.pack("<IIQQQQQQ", 3, 0, 120, 0, 0, len(name), len(name), 1)
    (root / "program").write_bytes(header + segment + name)

    assert tree.interpreter(root, root / "program") == "usr/lib/x86_64-linux-gnu/ld.so"
    assert tree.in_place(root, root / "program")[:2] == [
        str(root / "usr/lib/x86_64-linux-gnu/ld.so"),
        "--library-path",
    ]


def test_a_script_is_no_program(root: Path) -> None:
    """It would be started by this machine's interpreter, so the command must name the tree's."""
    (root / "script").write_text("#!/bin/sh\n" + "#" * 100)

    with pytest.raises(ValueError, match="name its interpreter first"):
        tree.interpreter(root, root / "script")


def test_times_and_privileges_are_fixed(root: Path) -> None:
    """Every entry has the one time, no program of `slim` is setuid, and stale bytecode is gone."""
    (root / "su").write_text("")
    (root / "su").chmod(0o4755)
    (root / "usr/__pycache__").mkdir()

    tree.normalise(root, setuid=False)

    entries = [root, *root.rglob("*")]
    assert {path.lstat().st_mtime for path in entries} == {tree.SECONDS}
    assert (root / "su").stat().st_mode & 0o7777 == 0o755
    assert not (root / "usr/__pycache__").exists()


def test_the_digest_says_what_is_there(root: Path, definition: Definition) -> None:
    """The same tree and start give the same digest; a byte, a mode, a link or a word of the command another."""

    def digest(of: Definition = definition) -> str:
        return manifest.digest(manifest.rows(root), of)

    seen = [digest()]
    os.utime(root / "usr", (1, 1))
    assert digest() == seen[0]
    (root / "file").write_text("a")
    seen.append(digest())
    (root / "file").write_text("b")
    seen.append(digest())
    (root / "file").chmod(0o600)
    seen.append(digest())
    (root / "lib").unlink()
    (root / "lib").symlink_to("usr/lib64")
    seen.append(digest())
    seen.append(digest(replace(definition, command=["{root}/other"])))
    seen.append(digest(replace(definition, health="/other")))

    assert len(set(seen)) == len(seen)


def test_the_tar_is_the_same_twice(root: Path, tmp_path: Path) -> None:
    """Whatever the times are and in which order the files were made, sorted, without names of users."""
    (root / "b").write_text("b")
    (root / "a").write_text("a")
    archive.pack(root, manifest.rows(root), tmp_path / "1.tar")
    (root / "b").unlink()
    (root / "b").write_text("b")
    archive.pack(root, manifest.rows(root), tmp_path / "2.tar")

    with tarfile.open(tmp_path / "1.tar") as packed:
        entries = packed.getmembers()

    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert [e.name for e in entries] == sorted(e.name for e in entries)
    assert {(e.uname, e.mtime) for e in entries} == {("", tree.SECONDS)}
