"""The console's file: its end, and that nothing of it stays."""

from __future__ import annotations

from pathlib import Path

from clients.libvirt import console
from machine import places


def test_last_lines_are_read_as_they_are(home: Path) -> None:
    """The last lines without carriage returns and empty ones, whatever bytes there are; none of a file that is not there."""
    file = home / "console"
    assert console.last_lines(str(file)) == []
    file.write_bytes(b"".join(b"line %d\r\n" % n for n in range(30)) + b"\xff\r\n\r\n")
    assert console.last_lines(str(file), 2) == ["line 29", "\ufffd"]
    assert len(console.last_lines(str(file))) == 20


def test_remove_takes_what_was_rolled_over(home: Path) -> None:
    """The files that virtlogd put aside go too, and our folder when nothing else is in it."""
    ours, theirs = places.run() / "console" / "guest", home / "theirs" / "guest"
    for file in (ours, theirs):
        console.make_room(str(file))
        for name in ("guest", "guest.0", "guest.1"):
            file.with_name(name).write_text("x")
        console.remove(str(file))
        console.remove(str(file))
        assert not file.exists()
    assert not ours.parent.exists()
    assert theirs.parent.is_dir()
    assert list(theirs.parent.iterdir()) == []
