"""Requests to a running copy over kept-alive connections, as many as a CPU figure needs.

Out of scope: latency and throughput; only the CPU time of the copy is measured.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from machine.errors import VmlabError
from machine.waiting import Deadline

REQUESTS, LOAD_SECONDS = 5000, 3.0
PER_CONNECTION = 500  # servers close a connection after a while (nginx after 1,000)


def send_requests(url: str, count: int = REQUESTS, seconds: float = LOAD_SECONDS) -> int:
    """Send that many requests one after the other, or as many as the time allows; how many were answered.

    An emulated guest takes milliseconds for what takes others microseconds. OSError when it cannot be reached."""
    parts = urlsplit(url)
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: lab\r\n\r\n".encode()
    served, deadline = 0, Deadline(seconds)
    while served < count and not deadline.passed:
        with socket.create_connection((parts.hostname or "", parts.port or 80), 10.0) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(min(PER_CONNECTION, count - served)):
                if served and not deadline.left():
                    break
                link.sendall(request)
                _read_answer(link)
                served += 1
    return served


def _read_answer(link: socket.socket) -> None:
    """Read one answer to its end."""
    raw = link.recv(65536)
    while b"\r\n\r\n" not in raw:
        raw += _more(link)
    head, _, body = raw.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    ]
    left = int(lengths[0]) - len(body)
    while left > 0:
        left -= len(_more(link))


def _more(link: socket.socket) -> bytes:
    data = link.recv(65536)
    if not data:
        raise VmlabError("the service closed the connection in the middle of an answer")
    return data
