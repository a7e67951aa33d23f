"""The cpio writer: what GNU cpio reads back is what was put in, each time the same bytes."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from machine.errors import InvalidInput
from substrates.vm.accelerator.initramfs import Entry, archive, character_device, directory, program

FILES = [
    directory("dev"),
    character_device("dev/console", 5, 1),
    directory("etc", 0o700),
    Entry("etc/odd name é", b"x" * 4097, stat.S_IFREG | 0o640),
    Entry("etc/empty"),
    Entry("etc/link", b"odd name", stat.S_IFLNK | 0o777),
    program("init", b"#!/bin/sh\n"),
]


def test_it_is_the_same_each_time() -> None:
    """No time, no inode of this machine, no order of a set is in it, and it ends on a block."""
    assert archive(FILES) == archive(iter(FILES))
    assert len(archive(FILES)) % 512 == 0
    assert archive([]).startswith(b"070701" + b"0" * 8)


def test_each_record_is_as_the_kernel_wants_it() -> None:
    """Magic, 13 fields of eight digits, the name with its end, and both on four bytes."""
    text = archive([program("init", b"12345")])

    fields = [int(text[6 + 8 * place : 14 + 8 * place], 16) for place in range(13)]
    assert text[:6] == b"070701"
    assert fields == [1, 0o100755, 0, 0, 1, 0, 5, 0, 0, 0, 0, 5, 0]
    assert text[110:116] == b"init\0\0"[:6]
    assert text[116:124] == b"12345\0\0\0"
    assert text[124:130] == b"070701"
    assert b"TRAILER!!!\0" in text[124:]


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio here to read it back with")
def test_cpio_reads_it_back(tmp_path: Path) -> None:
    """Names, modes, sizes, owners, links and device numbers are what was put in."""
    listed = subprocess.run(
        ["cpio", "-tv", "--numeric-uid-gid", "--quiet"],
        input=archive(FILES),
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
    ).stdout.decode()

    rows = [line.split() for line in listed.splitlines()]
    assert [(row[0], row[2], row[3]) for row in rows] == [
        (mode, "0", "0")
        for mode in (
            "drwxr-xr-x",
            "crw-------",
            "drwx------",
            "-rw-r-----",
            "-rw-r--r--",
            "lrwxrwxrwx",
            "-rwxr-xr-x",
        )
    ]
    assert "5,   1" in listed
    assert "etc/link -> odd name" in listed
    assert " 4097 " in listed


@pytest.mark.parametrize(
    "files",
    [
        [Entry("/init")],
        [Entry("")],
        [Entry("a\0b")],
        [Entry("../init")],
        [Entry("TRAILER!!!")],
        [Entry("init"), Entry("init")],
        [Entry("dev/console")],
        [Entry("null", mode=stat.S_IFCHR | 0o600)],
        [Entry("null", device=(1, 3))],
        [Entry("plain", mode=0o644)],
    ],
)
def test_what_the_kernel_would_skip_is_refused(files: list[Entry]) -> None:
    """The kernel leaves out what it cannot make without a word, so the writer says it."""
    with pytest.raises(InvalidInput):
        archive(files)
