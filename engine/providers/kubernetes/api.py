"""The API server over HTTP: requests in, objects out, every failure in the user's words.

Every request here may be repeated (reads, applies, deletes that name a UID), and is, with growing pauses, after a
lost connection, a 5xx or a 429. The first request of all has little patience, so that a kubeconfig that points
nowhere is said at once; later ones sit out a restart of the server. Waiting asks again and again instead of watching:
a poll survives a dropped connection, an expired resourceVersion and a new API server without a line of code. Left
out: watches, paging.
"""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import grpc
import urllib3
from urllib3 import exceptions

from engine.providers.kubernetes.credentials import Credentials
from engine.providers.kubernetes.kubeconfig import Access
from engine.providers.kubernetes.refusal import AnswerError, CancelledError, Plain, RefusalError, SilenceError

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0  # the API server's own limit for a request
PATIENCE_SECONDS = 30.0  # the built-in cluster's supervisor restarts a dead API server within 10 s
FIRST_PATIENCE_SECONDS = 2.0
PAUSE_SECONDS = (0.1, 2.0)  # between repeats: the first, the longest
POLL_SECONDS = (0.05, 0.5)
CONNECTIONS = 64  # as many as the provider has threads; urllib3 complains on stderr about more
_BAD_APPLY = "failed to create typed patch object"
Query = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What came back: an object, the status, and the server's warnings."""

    body: Plain
    status: int = 200
    warnings: list[str] = field(default_factory=list)
    repeated: bool = False  # an earlier try got no answer, so what is there may be its work


class Api:
    """One API server as one user sees it; safe to use from many threads."""

    def __init__(self, access: Access, cancelled: threading.Event | None = None) -> None:
        self.access = access
        self.cancelled = cancelled or threading.Event()
        self._credentials = Credentials(access)
        self._prefix = urlsplit(access.server).path.rstrip("/")
        self._lock = threading.Lock()
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._answered = False

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def get(self, path: str, query: Query | None = None) -> Plain:
        """Read; AnswerError with status 404 when it is not there."""
        return self.send("GET", path, query=query).body

    def text(self, path: str, query: Query | None = None) -> str:
        """Read what is no object: a log."""
        return self._once("GET", path, query, None, JSON)[1].decode(errors="replace")

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Answer:
        """Send a request, repeated where that is safe."""
        started = time.monotonic()
        pause, repeated = PAUSE_SECONDS[0], False
        while True:
            try:
                return self._decoded(self._once(method, path, query, body, content_type), repeated)
            except (AnswerError, SilenceError) as error:
                repeated = True
                transient = isinstance(error, SilenceError) or error.transient
                patience = PATIENCE_SECONDS if self._answered else FIRST_PATIENCE_SECONDS
                if not transient or time.monotonic() + pause > started + patience:
                    raise
                wait = max(pause, float(getattr(error, "details", {}).get("retryAfterSeconds") or 0))
            self.pause(min(wait, PATIENCE_SECONDS), f"{self.access.server} to answer")
            pause = min(pause * 2, PAUSE_SECONDS[1])

    def pause(self, seconds: float, what: str) -> None:
        """Wait a little, unless cancelled."""
        if self.cancelled.wait(seconds):
            raise CancelledError(what)

    def until(self, happened: Callable[[], bool], seconds: float, what: str) -> bool:
        """Ask until it happened; False when the time is over. CancelledError when broken off."""
        deadline = time.monotonic() + seconds
        pause = POLL_SECONDS[0]
        while not happened():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.pause(min(pause, left), what)
            pause = min(pause * 1.3, POLL_SECONDS[1])
        return True

    # -- one request

    def _once(
        self, method: str, path: str, query: Query | None, body: Any, content_type: str
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        response = self._exchange(method, path, query, body, content_type)
        if response.status == 401 and self._credentials.renewable:
            self._credentials.forget()
            self.close()
            response = self._exchange(method, path, query, body, content_type)
        self._answered = True
        if response.status >= 400:
            raise self._refused(response)
        return response, response.data

    def _exchange(
        self, method: str, path: str, query: Query | None, body: Any, content_type: str
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": "vmlab"}
        url = self._prefix + path + (f"?{urlencode(query)}" if query else "")
        try:
            return self._connections().urlopen(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers={**headers, **self._credentials.headers()},
                retries=False,
                redirect=False,
            )
        except (exceptions.NewConnectionError, exceptions.ConnectTimeoutError) as error:
            raise SilenceError(self._unreachable(_words(error)), sent=False) from None
        except exceptions.SSLError as error:
            raise SilenceError(self._unreachable(_words(error)), sent=False) from None
        except (exceptions.HTTPError, OSError) as error:
            raise SilenceError(self._unreachable(_words(error)), sent=True) from None

    def _connections(self) -> urllib3.HTTPConnectionPool:
        with self._lock:
            if self._pool is None:
                self._pool = _pool(self.access, self._credentials)
            return self._pool

    def _decoded(self, answered: tuple[urllib3.BaseHTTPResponse, bytes], repeated: bool) -> Answer:
        response, data = answered
        try:
            body = json.loads(data)
        except ValueError:
            raise SilenceError(self._unreachable("what answers there is no API server"), sent=True) from None
        found = response.headers.getlist("Warning")
        return Answer(body, response.status, [text.split('"')[1] for text in found if '"' in text], repeated)

    def _refused(self, response: urllib3.BaseHTTPResponse) -> RefusalError:
        try:
            status = json.loads(response.data)
            assert isinstance(status, dict)
        except (ValueError, AssertionError):
            status = {"message": response.data.decode(errors="replace").strip()[:300]}
        if response.status == 401:
            message = f"{self.access.said}: {self.access.server} does not accept its credentials"
            return AnswerError(401, "Unauthorized", message)
        details = dict(status.get("details") or {})
        if response.headers.get("Retry-After", "").isdigit():
            details.setdefault("retryAfterSeconds", int(response.headers["Retry-After"]))
        message = status.get("message") or f"the API server answered {response.status}"
        if message.startswith(_BAD_APPLY):  # answered as 500, as if the next try could go better
            return AnswerError(400, "BadRequest", message.partition("): ")[2] or message, details)
        return AnswerError(response.status, status.get("reason") or "", message, details)

    def _unreachable(self, why: str) -> str:
        return f"{self.access.said} points at {self.access.server}, which does not answer: {why}"


def _words(error: BaseException) -> str:
    """The reason at the bottom of a nested error."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, exceptions.SSLError) and error.args and isinstance(error.args[0], OSError):
        error = error.args[0]
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not the one the kubeconfig trusts ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, TimeoutError | exceptions.TimeoutError):
        return "no answer in time"
    return str(error.args[-1] if error.args else error).strip("'\"") or type(error).__name__


def _pool(access: Access, credentials: Credentials) -> urllib3.HTTPConnectionPool:
    parts = urlsplit(access.server)
    limits: dict[str, Any] = {
        "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
        "maxsize": CONNECTIONS,
    }
    if parts.scheme == "http":
        return urllib3.HTTPConnectionPool(parts.hostname or "", parts.port or 80, **limits)
    context = _trusting(access)
    if access.insecure:
        urllib3.disable_warnings(exceptions.InsecureRequestWarning)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate := credentials.certificate():
        _present(context, certificate, access.said)
    if access.tls_server_name:
        limits |= {"server_hostname": access.tls_server_name, "assert_hostname": access.tls_server_name}
    return urllib3.HTTPSConnectionPool(
        parts.hostname or "",
        parts.port or 443,
        ssl_context=context,
        cert_reqs="CERT_NONE" if access.insecure else "CERT_REQUIRED",
        **limits,
    )


def _trusting(access: Access) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=access.authority_pem or None)
    except ssl.SSLError:
        raise _unusable(access.said, "certificate authority") from None


def _present(context: ssl.SSLContext, certificate: str, said: str) -> None:
    """The ssl module reads files only; this one is in memory and never on a disk."""
    handle = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        os.write(handle, certificate.encode())
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    except ssl.SSLError:
        raise _unusable(said, "client certificate and key") from None
    finally:
        os.close(handle)


def _unusable(said: str, what: str) -> RefusalError:
    return RefusalError(grpc.StatusCode.INVALID_ARGUMENT, f"{said}: its {what} cannot be used")
