"""Where pools may lie, and whether QEMU gets there."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.libvirt import connection, pools
from machine import places
from machine.errors import InvalidInput

NOBODY = (65534, 65534)


@pytest.mark.usefixtures("home")
def test_ours_lie_below_one_folder() -> None:
    """A pool is ours by its place: straight below the lab's folder, however the path is spelt."""
    assert pools.is_ours(str(places.pools() / "a"))
    for path in (
        "/var/lib/libvirt/images",
        str(places.pools()),
        str(places.pools() / "a" / "b"),
        f"{places.pools()}/..",
    ):
        assert not pools.is_ours(path)


def test_closed_folder_on_the_way_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that QEMU's user cannot pass through is InvalidInput with its name and the command that opens it."""
    closed = home / "closed"
    closed.mkdir()
    monkeypatch.setattr(connection, "qemu_user", lambda: NOBODY)
    pools.refuse_unreachable(str(closed / "pool"))
    closed.chmod(0o700)
    with pytest.raises(
        InvalidInput, match=rf"user 65534 and cannot pass through {closed} .*chmod o\+x {closed}"
    ):
        pools.refuse_unreachable(str(closed / "pool"))
    monkeypatch.setattr(connection, "qemu_user", lambda: (0, 0))
    pools.refuse_unreachable(str(closed / "pool"))
