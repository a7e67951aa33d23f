"""The probe: when it sees a server that starts to answer at a known time, and what it does not take for an answer."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clients.http_probe import ask, first_answer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


@contextmanager
def serving(*answers: bytes, listener: socket.socket | None = None) -> Iterator[int]:
    """A server that gives these answers, the last one for ever, and closes each connection."""
    server = listener or socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)
    stop, left = threading.Event(), list(answers)

    def serve() -> None:
        while not stop.is_set():
            try:
                link, _ = server.accept()
            except TimeoutError:
                continue
            with link:
                link.recv(4096)
                link.sendall(left.pop(0) if len(left) > 1 else left[0])

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    stop.set()
    thread.join()
    server.close()


def after(seconds: float, act: Callable[[], None]) -> None:
    """Do something at a known time, without the scheduler's slack of a sleep."""

    def wait() -> None:
        end = time.monotonic_ns() + int(seconds * 1e9)
        time.sleep(max(0.0, seconds - 0.003))
        while time.monotonic_ns() < end:
            pass
        act()

    threading.Thread(target=wait).start()


def seen_late_ns() -> int:
    """How much later than its first moment a server is seen: it is bound at once and listens after 30 ms."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    port, began = server.getsockname()[1], []

    def listen() -> None:
        server.listen()
        began.append(time.monotonic_ns())

    after(0.03, listen)
    with_server = threading.Thread(target=_answer_once, args=(server, began))
    with_server.start()
    answer = first_answer(f"http://127.0.0.1:{port}/", time.monotonic_ns() + 5_000_000_000)
    with_server.join()
    server.close()
    assert answer is not None
    return answer.at_ns - began[0]


def _answer_once(server: socket.socket, began: list[int]) -> None:
    while not began:
        time.sleep(0.0001)
    link, _ = server.accept()
    with link:
        link.recv(4096)
        link.sendall(OK + b"hello")


def test_resolution() -> None:
    """A server that begins to answer at a known time is seen within 1 ms, as the middle of 15."""
    assert statistics.median(seen_late_ns() for _ in range(15)) < 1_000_000


def test_nonce_tells_an_old_copy_from_the_new_one() -> None:
    """A 200 without the nonce counts as not there yet."""
    with serving(OK + b"older", OK + b"older", OK + b"newer") as port:
        answer = first_answer(f"http://127.0.0.1:{port}/", time.monotonic_ns() + 5_000_000_000, "newer")
    assert answer is not None
    assert answer.body == b"newer"


def test_closed_connection_is_not_there_yet() -> None:
    """docker-proxy accepts and closes before the service listens."""
    with serving(b"", b"", OK + b"hello") as port:
        answer = first_answer(f"http://127.0.0.1:{port}/", time.monotonic_ns() + 5_000_000_000)
    assert answer is not None


def test_other_status_is_not_ready() -> None:
    """A 503 is asked again."""
    with serving(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", OK + b"hello") as port:
        answer = first_answer(f"http://127.0.0.1:{port}/", time.monotonic_ns() + 5_000_000_000)
    assert answer is not None
    assert answer.status == 200


def test_answer_without_length_ends_with_the_connection() -> None:
    """The body is everything until the server closes."""
    with serving(b"HTTP/1.0 200 OK\r\n\r\nall of it") as port:
        answer = ask(f"http://127.0.0.1:{port}/path?query=1")
    assert answer is not None
    assert answer.body == b"all of it"


def test_what_is_not_http_is_no_answer() -> None:
    """Garbage, or nobody, is None."""
    with serving(b"SSH-2.0-OpenSSH\r\n\r\n") as port:
        assert ask(f"http://127.0.0.1:{port}/") is None
    assert ask(f"http://127.0.0.1:{port}/") is None


def test_deadline_ends_the_asking() -> None:
    """Nobody answers: None, when the deadline has passed and not long after."""
    start = time.monotonic()
    assert first_answer("http://127.0.0.1:9/", time.monotonic_ns() + 50_000_000) is None
    assert 0.05 <= time.monotonic() - start < 0.5


def test_what_has_ended_is_not_asked_until_the_deadline() -> None:
    """`alive` is looked at every `look_seconds`; None as soon as it is False."""
    start = time.monotonic()
    deadline = time.monotonic_ns() + 60_000_000_000
    assert first_answer("http://127.0.0.1:9/", deadline, alive=lambda: False, look_seconds=0.05) is None
    assert 0.05 <= time.monotonic() - start < 5


def test_pauses_are_the_callers() -> None:
    """Between two requests `pause` is called with `pause_seconds`; a guest's returns sooner once it listens."""
    pauses: list[float] = []
    with serving(b"", b"", OK + b"hello") as port:
        deadline = time.monotonic_ns() + 5_000_000_000
        assert first_answer(f"http://127.0.0.1:{port}/", deadline, pause_seconds=0.02, pause=pauses.append)
    assert pauses == [0.02, 0.02]


def test_connection_has_its_own_limit() -> None:
    """A packet that is lost is not waited for: a full backlog accepts no connection, and each try is given up in time."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        held = [socket.create_connection(address, 0.05)]
        start = time.monotonic()
        for _ in range(3):
            ask(f"http://{address[0]}:{address[1]}/", 0.2, connect_seconds=0.02)
        for link in held:
            link.close()
    assert time.monotonic() - start < 2
