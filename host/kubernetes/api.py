"""The few calls of the Kubernetes API that the host makes itself, as the lab's administrator.

Left out: everything that a stack declares, which is its provider's.
"""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from host.kubernetes import layout, pki
from machine.errors import VmlabError

SECONDS = 5.0
APPLY = "application/apply-patch+yaml"


def answers(path: str) -> bool:
    """Whether a GET is answered with a 200 within a second; never raises."""
    try:
        return call("GET", path, seconds=1.0)[0] == http.client.OK
    except VmlabError:
        return False


def get(path: str) -> dict[str, Any] | None:
    """The object, or None if there is none; VmlabError if the API does not answer."""
    status, answer = call("GET", path)
    if status == http.client.NOT_FOUND:
        return None
    if status != http.client.OK:
        raise VmlabError(f"the API server answered {status} to GET {path}: {answer.get('message', '')}")
    return answer


def apply(path: str, wanted: dict[str, Any]) -> None:
    """Server-side apply: made or brought to what is wanted."""
    status, answer = call("PATCH", f"{path}?fieldManager=vmlab-host&force=true", wanted)
    if status not in (http.client.OK, http.client.CREATED):
        raise VmlabError(f"the API server answered {status} to apply {path}: {answer.get('message', '')}")


def call(
    method: str, path: str, body: dict[str, Any] | None = None, seconds: float = SECONDS
) -> tuple[int, dict[str, Any]]:
    """Status and answer; VmlabError if nobody answers."""
    connection = http.client.HTTPSConnection(
        layout.NODE_ADDRESS, layout.API_PORT, timeout=seconds, context=_context()
    )
    try:
        headers = {"Content-Type": APPLY} if body is not None else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text[:1] == b"{" else {}
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise VmlabError(f"the API server at {layout.API} does not answer ({error})") from None
    finally:
        connection.close()


def _context() -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(pki.certificate("ca")))
        context.load_cert_chain(*map(str, pki.pair("admin")))
    except OSError as error:
        raise VmlabError(f"{layout.pki()}: {error}; there is no cluster, or it is another user's") from None
    return context
