"""Whose port it is, from a recorded /proc."""

from __future__ import annotations

from machine import ports
from tests.unit.host.conftest import Proc

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(address: str, state: str, inode: int) -> str:
    """One line of /proc/net/tcp."""
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 100\n"


def test_owner(proc: Proc) -> None:
    """The listener's process is found by its socket; a connected socket on the same port is not the owner."""
    (proc.root / "net").mkdir()
    listening = row("0100007F:1388", "0A", 42)  # 127.0.0.1:5000
    (proc.root / "net/tcp").write_text(HEAD + row("0100007F:1388", "01", 41) + listening)
    for pid, inode in ((7, 41), (8, 42)):
        folder = proc.add(pid, f"program{pid}")
        (folder / "fd").mkdir()
        (folder / "fd/3").symlink_to(f"socket:[{inode}]")

    assert ports.owner(5000, proc.root) == (8, "program8")
    assert ports.taken(5000, proc.root)
    assert not ports.taken(5001, proc.root)
    assert ports.owner(5001, proc.root) is None


def test_a_connection_is_no_listener(proc: Proc) -> None:
    """A port that is only somebody's end of a connection is free."""
    (proc.root / "net").mkdir()
    (proc.root / "net/tcp").write_text(HEAD + row("0100007F:1388", "01", 41))

    assert not ports.taken(5000, proc.root)


def test_owner_out_of_sight(proc: Proc) -> None:
    """A listener on IPv6 whose process cannot be seen is still a taken port."""
    (proc.root / "net").mkdir()
    (proc.root / "net/tcp6").write_text(HEAD + row("0" * 32 + ":1388", "0A", 9))

    assert ports.taken(5000, proc.root)
    assert ports.owner(5000, proc.root) == (0, "a process of another user")
