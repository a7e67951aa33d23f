"""What a removed domain leaves: no console, no rotated console, no log."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.libvirt import domains
from machine import places


def test_forget_removes_what_was_rotated(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that virtlogd rotated are removed too, and our folder when nothing else is in it; twice is no error."""
    monkeypatch.setattr(domains, "LOGS", home / "logs")
    ours, theirs = places.run() / "console" / "guest", home / "theirs" / "guest"
    for file in (ours, theirs):
        file.parent.mkdir(parents=True)
        for name in ("guest", "guest.0", "guest.1"):
            file.with_name(name).write_text("x")
        (home / "logs").mkdir(exist_ok=True)
        (home / "logs" / "guest.log").write_text("x")
        domains.forget("guest", str(file))
        domains.forget("guest", str(file))
        assert not file.exists()
    assert list((home / "logs").iterdir()) == []
    assert not ours.parent.exists()
    assert theirs.parent.is_dir()
    assert list(theirs.parent.iterdir()) == []
