"""The console's watcher against a file that grows as virtlogd's does: stamps, lines, systemd's account, and giving up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from clients.libvirt import domains
from machine.errors import NeverAnswered
from substrates.vm import console as vm_console
from substrates.vm.console import Watch, wait_for_answer

SPOKEN = (
    b"[    0.000000] Linux version 6.1.0\r\n",
    b"vmlab-guest init\r\n",
    b"vmlab-service first-line monotonic_ns=1\r\n",
    b"vmlab-service listening monotonic_ns=2 port=8080\r\n",
)
FINISHED = (
    b"[  4.2] systemd[1]: Startup finished in 1.204s (kernel) + 1min 2.345s (userspace) = 1min 3.549s.\r\n"
)


def until(happened: Callable[[], object]) -> None:
    """Wait for it, at most two seconds."""
    deadline = time.monotonic() + 2
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_each_milestone_is_stamped_when_its_line_comes(tmp_path: Path) -> None:
    """On the host's clock, in the order in which they come; the first byte is the kernel's; a late file is waited for."""
    console = tmp_path / "console"
    names = ["kernel", "init", "service", "listening"]
    with Watch(console) as watch, console.open("ab", buffering=0) as file:
        before = time.monotonic_ns()
        for line, name in zip(SPOKEN, names, strict=True):
            file.write(line)
            until(partial(watch.stamps_ns.__contains__, name))
    stamps = [watch.stamps_ns[name] for name in names]
    assert stamps == sorted(stamps)
    assert before <= stamps[0] <= stamps[-1] <= time.monotonic_ns()
    assert list(watch.stamps_ns) == names


def test_a_line_that_comes_in_pieces_counts_when_it_is_whole(tmp_path: Path) -> None:
    """Half of a mark is no mark."""
    console = tmp_path / "console"
    with Watch(console) as watch, console.open("ab", buffering=0) as file:
        file.write(SPOKEN[1][:9])
        until(lambda: "kernel" in watch.stamps_ns)
        assert "init" not in watch.stamps_ns
        file.write(SPOKEN[1][9:])
        until(lambda: "init" in watch.stamps_ns)


def test_lines_are_without_a_terminal(tmp_path: Path) -> None:
    """No colours, no carriage returns, no empty lines; bytes that are no text do no harm."""
    console = tmp_path / "console"
    console.write_bytes(b"\x1b[1;31mred\x1b[0m line\r\n\r\n\xff odd\r\n")
    with Watch(console) as watch:
        until(lambda: watch.lines())

    assert watch.lines() == ["red line", "\ufffd odd"]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (FINISHED, {"kernel": 1.204, "userspace": 62.345}),
        (
            b"systemd[1]: Startup finished in 2.5s (firmware) + 812ms (kernel) + 3.1s (userspace) = 6.4s.\n",
            {"firmware": 2.5, "kernel": 0.812, "userspace": 3.1},
        ),
        (b"no such program here\n", {}),
    ],
)
def test_systemds_account(tmp_path: Path, said: bytes, found: dict[str, float]) -> None:
    """Its parts in seconds, in whatever units it says them; nothing where there is no systemd, and no wait for it."""
    console, start = tmp_path / "console", time.monotonic()
    console.write_bytes(said)
    with Watch(console) as watch:
        until(lambda: watch.lines())
        assert watch.account() == pytest.approx(found)

    assert time.monotonic() - start < 1


def test_an_account_that_comes_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is systemd's last word, after the service's first answer; one that never comes is none."""
    monkeypatch.setattr(vm_console, "ACCOUNT_SECONDS", 0.5)
    console = tmp_path / "console"
    console.write_bytes(b"systemd[1]: hello\n")
    with Watch(console) as watch:
        until(lambda: watch.lines())
        assert watch.account() == {}
        threading.Timer(0.1, lambda: console.write_bytes(console.read_bytes() + FINISHED)).start()
        assert watch.account().keys() == {"kernel", "userspace"}


def test_lines_that_the_answer_overtook_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have a stamp, if a late one; where they never come the wait has an end."""
    monkeypatch.setattr(vm_console, "BEHIND_SECONDS", 0.5)
    console = tmp_path / "console"
    with Watch(console) as watch:
        watch.catch_up()
        assert watch.stamps_ns == {}
        threading.Timer(0.1, lambda: console.write_bytes(b"".join(SPOKEN))).start()
        watch.catch_up()
        assert watch.stamps_ns.keys() >= {"service", "listening"}


class _Service(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"nonce": "right"}')

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def url() -> Iterator[str]:
    """A service that answers with one nonce."""
    server = HTTPServer(("127.0.0.1", 0), _Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_only_this_boots_nonce_is_an_answer(tmp_path: Path, url: str) -> None:
    """An answer without it is somebody else's, and is not taken before the deadline nor after."""
    with Watch(tmp_path / "console") as watch:
        assert watch.first_answer(url, time.monotonic_ns() + 10**9, "right") is not None
        assert watch.first_answer(url, time.monotonic_ns() + 2 * 10**8, "wrong") is None


def test_a_guest_that_has_ended_is_given_up(tmp_path: Path) -> None:
    """Long before the deadline: nobody will answer any more."""
    start = time.monotonic()
    with Watch(tmp_path / "console") as watch:
        found = watch.first_answer(
            "http://127.0.0.1:9/", time.monotonic_ns() + 60 * 10**9, alive=lambda: False
        )

    assert found is None
    assert time.monotonic() - start < 5


def test_stack_guest_that_ends_is_reported_with_its_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last milestone of its console and its last 20 lines, without carriage returns; none without a console."""
    monkeypatch.setattr(domains, "runs", lambda _name: False)
    console = tmp_path / "console"
    console.write_bytes(SPOKEN[1] + b"".join(b"line %d\r\n" % n for n in range(30)) + b"\xff\r\n\r\n")
    with pytest.raises(NeverAnswered, match="guest did not answer") as caught:
        wait_for_answer("guest", "http://127.0.0.1:9/", 60, str(console))
    assert caught.value.milestone == "init"
    assert "    line 11\n" in str(caught.value)
    assert "line 10\n" not in str(caught.value)
    assert str(caught.value).endswith("    line 29\n    \ufffd")
    with pytest.raises(NeverAnswered, match="its log is empty"):
        wait_for_answer("guest", "http://127.0.0.1:9/", 60, str(tmp_path / "absent"))
