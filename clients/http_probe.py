"""The probe: asks a service over HTTP until the first valid answer, and stamps that answer.

A refused connection costs 30 to 50 microseconds on loopback, so the probe retries after a pause that keeps the resolution
below 0.5 ms and leaves the CPU to the service. docker-proxy accepts before anything listens inside: a closed connection
counts as no answer. Only sockets, no HTTP library: the probe must add nothing to what is measured.
Out of scope: TLS, redirects, chunked bodies.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from machine.addresses import LOOPBACK

PAUSE_SECONDS = 0.0002
ANSWER_SECONDS = 2.0  # for one request, from the connection to the last byte
LOOK_SECONDS = 0.2
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """An answer and when its last byte was read (CLOCK_MONOTONIC, nanoseconds)."""

    status: int
    body: bytes
    at_ns: int


def ask(
    url: str, timeout_seconds: float = ANSWER_SECONDS, connect_seconds: float | None = None
) -> Answer | None:
    """One GET; None without a complete HTTP answer. `connect_seconds` is a shorter limit for the connection alone."""
    parts = urlsplit(url)
    path = parts.path or "/"
    address = (parts.hostname or LOOPBACK, parts.port or 80)
    request = f"GET {path}{'?' + parts.query if parts.query else ''} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(
            address, min(connect_seconds or timeout_seconds, timeout_seconds)
        ) as link:
            link.settimeout(timeout_seconds)
            link.sendall(request.encode())
            raw = _read(link)
    except OSError:
        return None
    head, mark, body = raw.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if not mark or len(words) < 2 or not words[1].isdigit():
        return None
    return Answer(int(words[1]), body, time.monotonic_ns())


def first_answer(
    url: str,
    deadline_ns: int,
    nonce: str = "",
    *,
    connect_seconds: float | None = None,
    pause_seconds: float = PAUSE_SECONDS,
    pause: Callable[[float], object] = time.sleep,
    alive: Callable[[], bool] | None = None,
    look_seconds: float = LOOK_SECONDS,
) -> Answer | None:
    """The first 200 whose body contains the nonce; None when the deadline (monotonic nanoseconds) has passed.

    `pause` is called with `pause_seconds` between two requests and may return sooner. Every `look_seconds` `alive` is
    called, and None is returned when it is False: what has ended does not answer any more."""
    wanted, look_ns = nonce.encode(), time.monotonic_ns() + int(look_seconds * 1e9)
    while (left := (deadline_ns - time.monotonic_ns()) / 1e9) > 0:
        answer = ask(url, max(0.001, min(ANSWER_SECONDS, left)), connect_seconds)
        if answer is not None and answer.status == 200 and wanted in answer.body:
            return answer
        if alive is not None and time.monotonic_ns() >= look_ns:
            if not alive():
                return None
            look_ns = time.monotonic_ns() + int(look_seconds * 1e9)
        pause(pause_seconds)
    return None


def _read(link: socket.socket) -> bytes:
    """All bytes of the answer: up to its Content-Length, else until the connection is closed."""
    raw = b""
    while True:
        head, mark, body = raw.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if mark else None
        if length and len(body) >= int(length[1]):
            return raw
        chunk = link.recv(65536)
        if not chunk:
            return raw
        raw += chunk
