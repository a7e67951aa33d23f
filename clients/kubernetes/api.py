"""The API server over HTTP: objects, logs and watches, with every failure in the user's words.

On urllib3, which is locked already. The `kubernetes` package takes 0.26 s to import against 0.09 s, brings 20 packages, and
writes the client's key into a file that kill -9 leaves behind. Left out: discovery (the paths are written out), paging.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3 import exceptions

from clients.kubernetes.access import Access, Choice, access
from machine.errors import InvalidInput, Unavailable, VmlabError

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 30.0
SPARE_SECONDS = 5.0  # in which the API server ends a watch itself
MERGE = "application/merge-patch+json"


class ApiError(VmlabError):
    """The API server refused: `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """One API server as one user sees it; safe to use from several threads."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self._access = access(choice)
        self._prefix = urlsplit(self._access.server).path.rstrip("/")
        self._pool = _pool(self._access)

    def close(self) -> None:
        """Give up the connections."""
        self._pool.close()

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """One object, or a list of them; ApiError with status 404 when it is not there."""
        return self.send("GET", path, query=query)

    def look(self, path: str) -> dict[str, Any] | None:
        """The object, or None when it is not there."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def listed(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The items of a list."""
        return list(self.get(path, **query).get("items") or [])

    def send(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send one request; the object that came back."""
        raw = self._exchange(method, path, query or {}, body).data
        found: dict[str, Any] = json.loads(raw)
        return found

    def delete(self, path: str, **options: Any) -> None:
        """Delete; what is not there is deleted already."""
        try:
            self.send("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options})
        except ApiError as error:
            if error.status != 404:
                raise

    def text(self, path: str, **query: str) -> str:
        """What is no object: a log."""
        return self._exchange("GET", path, query, None).data.decode(errors="replace")

    def watch(self, path: str, seconds: float, **query: str) -> Changes:
        """The changes of a list as they arrive, for at most that long. There may be none for all of that time."""
        more = {"watch": "true", "timeoutSeconds": str(max(1, round(seconds)))}
        return Changes(self._exchange("GET", path, {**query, **more}, None, lasting=seconds))

    def _exchange(
        self, method: str, path: str, query: Mapping[str, str], body: Any, *, lasting: float | None = None
    ) -> urllib3.BaseHTTPResponse:
        """The response; with `lasting` it is one that goes on for so many seconds, and is not read yet."""
        silence = ANSWER_SECONDS if lasting is None else lasting + SPARE_SECONDS
        headers = {"Accept": "application/json", "User-Agent": "vmlab"}
        headers["Content-Type"] = MERGE if method == "PATCH" else "application/json"
        if self._access.token:
            headers["Authorization"] = f"Bearer {self._access.token}"
        try:
            response = self._pool.urlopen(
                method,
                self._prefix + path + (f"?{urlencode(query)}" if query else ""),
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                retries=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=silence),
                preload_content=lasting is None,
            )
        except (exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from None
        if response.status >= 400:
            raise ApiError(response.status, _message(response))
        return response

    def _unreachable(self, error: BaseException) -> VmlabError:
        said = f"kubeconfig {self.choice.path} points at {self._access.server}, which does not answer ({_words(error)})"
        if self.choice.ours:
            return Unavailable(said, "vmlab host up kubernetes")
        return InvalidInput(f"{said}; next: give --kubeconfig or --context a cluster that runs")


class Changes:
    """What a watch tells, line by line. `close` ends it at once, also from another thread than the one that reads."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self._chunks = response.stream(None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        rest = b""
        while chunk := self._chunk():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from map(json.loads, lines)
        self._response.close()

    def close(self) -> None:
        """End the connection; its reader comes to the end of what there is."""
        try:
            self._response.shutdown()
        except (ValueError, RuntimeError, OSError):  # it has ended by itself
            self._response.close()

    def _chunk(self) -> bytes:
        """What comes next; nothing at the end, whoever made it. TLS says ValueError of a connection that was ended here."""
        try:
            return next(self._chunks, b"")
        except (exceptions.HTTPError, ValueError, OSError):
            return b""


def _message(response: urllib3.BaseHTTPResponse) -> str:
    try:
        return str(json.loads(response.data)["message"])
    except (ValueError, KeyError, TypeError):
        return f"the API server answered {response.status}"


def _words(error: BaseException) -> str:
    """The reason at the bottom of a nested error."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not the one that the kubeconfig trusts: {error.verify_message}"
    return getattr(error, "strerror", None) or str(error).partition(": ")[2] or type(error).__name__


def _pool(access: Access) -> urllib3.HTTPConnectionPool:
    parts = urlsplit(access.server)
    limits: dict[str, Any] = {"maxsize": 8}
    if parts.scheme == "http":
        return urllib3.HTTPConnectionPool(parts.hostname or "", parts.port or 80, **limits)
    context = ssl.create_default_context(cadata=access.authority_pem or None)
    if access.insecure:
        urllib3.disable_warnings(exceptions.InsecureRequestWarning)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.certificate_pem:
        _present(context, access.certificate_pem)
    if access.server_name:
        limits |= {"server_hostname": access.server_name, "assert_hostname": access.server_name}
    certificates = "CERT_NONE" if access.insecure else "CERT_REQUIRED"
    return urllib3.HTTPSConnectionPool(
        parts.hostname or "", parts.port or 443, ssl_context=context, cert_reqs=certificates, **limits
    )


def _present(context: ssl.SSLContext, certificate: str) -> None:
    """The ssl module reads files only; this one is in memory and never on a disk."""
    handle = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        os.write(handle, certificate.encode())
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
