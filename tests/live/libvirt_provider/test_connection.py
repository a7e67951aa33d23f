"""The connection to libvirtd: that it is opened again, and what is said when nobody answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.libvirt import connection, domains
from machine.errors import Unavailable, VmlabError

pytestmark = pytest.mark.live
SOCKET = "/run/libvirt/libvirt-sock"


class Relay:
    """A socket before libvirtd's, whose connections can be cut off as a libvirtd that is killed does."""

    def __init__(self, path: Path) -> None:
        self.url = f"qemu+unix:///system?socket={path}"
        self._links: list[socket.socket] = []
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(path))
        self._door.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._door.accept()
            except OSError:
                return
            theirs = socket.socket(socket.AF_UNIX)
            theirs.connect(SOCKET)
            self._links += [ours, theirs]
            for pair in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass

    def cut(self) -> None:
        """End every connection; new ones are let in."""
        for link in self._links:
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        """End everything."""
        self._door.shutdown(socket.SHUT_RDWR)
        self.cut()
        for link in [*self._links, self._door]:
            link.close()


@pytest.fixture
def relay(libvirt: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Between this process and libvirtd."""
    relay = Relay(tmp_path / "s")
    connection.close()
    monkeypatch.setattr(connection, "URI", relay.url)
    yield relay
    relay.close()
    connection.close()


def test_connection_is_opened_once_and_again(relay: Relay) -> None:
    """One connection serves a process, and after libvirtd was restarted the next call has a new one."""
    first = connection.open()
    assert connection.open() is first
    assert domains.find("vmlab-no-such-domain") is None

    relay.cut()

    assert domains.find("vmlab-no-such-domain") is None
    assert connection.open() is not first


def test_cut_in_the_middle_says_what_to_do(relay: Relay) -> None:
    """A call that libvirtd's end cuts off fails with the command that starts it."""
    api = connection.open()
    relay.cut()
    said = r"cannot list: the connection to libvirtd was lost .*vmlab host up libvirt"
    with pytest.raises(VmlabError, match=said), connection.asked("cannot list"):
        api.listAllDomains()


def test_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a libvirtd it is Unavailable, with the command that starts it; libvirt itself prints nothing."""
    monkeypatch.setattr(connection, "URI", f"qemu+unix:///system?socket={tmp_path}/none")
    with pytest.raises(Unavailable) as found:
        connection.open()
    assert "libvirtd does not answer" in found.value.reason
    assert found.value.fix == "vmlab host up libvirt"
    assert capfd.readouterr() == ("", "")
