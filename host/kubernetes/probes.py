"""Is somebody there: one TCP connect, or one GET of a health address.

Certificates are not checked: the programs sign their health addresses themselves, and only their state is asked. Left
out: the API, host/kubernetes/api.py.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request

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
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(url, timeout=SECONDS) as answer:
            return bool(answer.status == http.client.OK)
    except (OSError, urllib.error.URLError, http.client.HTTPException):
        return False
