"""Whether a program answers: one TCP connect, or one GET of a health address.

Certificates are not checked: the programs sign those of their health addresses themselves, and only their state is read.
Out of scope: the API server (host/kubernetes/api.py).
"""

from __future__ import annotations

import functools
import http.client
import socket
import ssl
from urllib.parse import urlsplit

SECONDS = 1.0


def listens(address: str, port: int) -> bool:
    """Whether a connect succeeds."""
    try:
        with socket.create_connection((address, port), timeout=SECONDS):
            return True
    except OSError:
        return False


def answers(url: str) -> bool:
    """Whether a GET is answered with a 200."""
    parts = urlsplit(url)
    address, port = parts.hostname or "", parts.port or 443
    if parts.scheme == "http":
        connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    else:
        connection = http.client.HTTPSConnection(address, port, timeout=SECONDS, context=_context())
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@functools.cache
def _context() -> ssl.SSLContext:
    """Made once, and bare: one that reads the system's authorities costs 17 ms of CPU, which the programs need to start."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
