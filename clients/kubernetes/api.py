"""The API server: requests in, objects out, failures as `clients.kubernetes.errors`.

A request that may be repeated (a read, an apply, a delete) is, with growing pauses, after a lost connection, a 5xx or a
429; a create only when it was certainly not carried out. The first request of all has little patience, so that a kubeconfig
that points nowhere is reported at once; later ones survive a restart of the server. `until` polls instead of watching: a
poll survives a dropped connection, an expired resourceVersion and a new API server. Out of scope: paging.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3
from urllib3 import exceptions

from clients.kubernetes.connection import Connection
from clients.kubernetes.errors import ApiError, Cancelled, ClientError, NoAnswer
from clients.kubernetes.kubeconfig import Access, Plain
from machine.waiting import Deadline

JSON = "application/json"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
PATIENCE_SECONDS = 30.0  # the built-in cluster's supervisor restarts a dead API server within 10 s
FIRST_PATIENCE_SECONDS = 2.0
PAUSE_SECONDS = (0.1, 2.0)  # between repeats: the first, the longest
POLL_SECONDS = (0.05, 0.5)
SPARE_SECONDS = 5.0  # in which the API server ends a watch itself
_BAD_APPLY = "failed to create typed patch object"


@dataclass(frozen=True)
class Answer:
    """What came back: an object, the status, and the server's warnings."""

    body: Plain
    status: int = 200
    warnings: list[str] = field(default_factory=list)
    repeated: bool = False  # an earlier attempt got no answer, so what is there may be its work


class Api:
    """One API server as one user sees it; safe to use from many threads. `silence`: what is raised without an answer."""

    def __init__(
        self,
        access: Access,
        cancelled: threading.Event | None = None,
        silence: type[NoAnswer] = NoAnswer,
    ) -> None:
        self.access = access
        self.cancelled = cancelled or threading.Event()
        self._connection = Connection(access, silence)
        self._answered = False

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def get(self, path: str, **query: str) -> Plain:
        """One object, or a list of them; ApiError with status 404 when it does not exist."""
        return self.send("GET", path, query=query).body

    def look(self, path: str) -> Plain | None:
        """The object, or None when it does not exist."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def listed(self, path: str, **query: str) -> list[Plain]:
        """The items of a list."""
        return list(self.get(path, **query).get("items") or [])

    def create(self, path: str, body: Plain) -> Plain:
        """Create an object in the collection at `path`; the object as the server completed it."""
        return self.send("POST", path, body=body).body

    def delete(self, path: str, **options: Any) -> None:
        """Delete with these DeleteOptions; an object that does not exist is deleted already."""
        try:
            self.send("DELETE", path, body={"kind": "DeleteOptions", "apiVersion": "v1", **options})
        except ApiError as error:
            if error.status != 404:
                raise

    def text(self, path: str, **query: str) -> str:
        """What is not an object, such as a log; asked for once."""
        return self._once("GET", path, query, None, JSON).data.decode(errors="replace")

    def is_healthy(self, path: str, seconds: float) -> bool:
        """Whether a health check answers 200 within `seconds`; never raises."""
        try:
            return self._once("GET", path, {}, None, JSON, seconds=seconds).status == 200
        except ClientError:
            return False

    def watch(self, path: str, seconds: float, **query: str) -> Changes:
        """The changes of a list as they arrive, for at most `seconds`; there may be none for all of that time."""
        more = {"watch": "true", "timeoutSeconds": str(max(1, round(seconds)))}
        silence = seconds + SPARE_SECONDS
        return Changes(self._once("GET", path, {**query, **more}, None, JSON, seconds=silence, lasting=True))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "",
        patience_seconds: float | None = None,
    ) -> Answer:
        """Send a request, repeated where that is safe. A PATCH without a content type is a merge patch."""
        kind = content_type or (MERGE if method == "PATCH" else JSON)
        patience = (
            (FIRST_PATIENCE_SECONDS, PATIENCE_SECONDS) if patience_seconds is None else [patience_seconds] * 2
        )
        first, later = map(Deadline, patience)
        pause, repeated = PAUSE_SECONDS[0], False
        while True:
            try:
                return self._decoded(self._once(method, path, query or {}, body, kind), repeated=repeated)
            except (ApiError, NoAnswer) as error:
                left = (later if self._answered else first).left()
                if not _repeatable(error, method) or left < pause:
                    raise
                repeated = True
                asked = error.details.get("retryAfterSeconds") if isinstance(error, ApiError) else 0
            wait = min(max(pause, float(asked or 0)), PATIENCE_SECONDS)
            self.pause(wait, f"{self.access.server} to answer")
            pause = min(pause * 2, PAUSE_SECONDS[1])

    def pause(self, seconds: float, what: str) -> None:
        """Wait a little, unless cancelled."""
        if self.cancelled.wait(seconds):
            raise Cancelled(what)

    def until(self, happened: Callable[[], bool], seconds: float, what: str) -> bool:
        """Poll until it happened; False when the time is over. Cancelled when it was cancelled."""
        deadline = Deadline(seconds)
        pause = POLL_SECONDS[0]
        while not happened():
            if deadline.passed:
                return False
            self.pause(min(pause, deadline.left()), what)
            pause = min(pause * 1.3, POLL_SECONDS[1])
        return True

    def _once(
        self, method: str, path: str, query: Mapping[str, str], body: Any, content_type: str, **how: Any
    ) -> urllib3.BaseHTTPResponse:
        response = self._connection.exchange(method, path, query, body, content_type, **how)
        self._answered = True
        if response.status >= 400:
            raise self._refused(response)
        return response

    def _decoded(self, response: urllib3.BaseHTTPResponse, *, repeated: bool) -> Answer:
        try:
            body = json.loads(response.data)
        except ValueError:
            raise self._connection.no_answer("what answers there is not an API server", sent=True) from None
        found = response.headers.getlist("Warning")
        return Answer(body, response.status, [text.split('"')[1] for text in found if '"' in text], repeated)

    def _refused(self, response: urllib3.BaseHTTPResponse) -> ApiError:
        try:
            status = dict(json.loads(response.data))
        except (ValueError, TypeError):
            status = {"message": response.data.decode(errors="replace").strip()[:300]}
        if response.status == 401:
            message = f"{self.access.source}: {self.access.server} does not accept its credentials"
            return ApiError(401, "Unauthorized", message)
        details = dict(status.get("details") or {})
        if response.headers.get("Retry-After", "").isdigit():
            details.setdefault("retryAfterSeconds", int(response.headers["Retry-After"]))
        message = status.get("message") or f"the API server answered {response.status}"
        if message.startswith(_BAD_APPLY):  # answered as 500, as if the next attempt could go better
            return ApiError(400, "BadRequest", message.partition("): ")[2] or message, details)
        return ApiError(response.status, status.get("reason") or "", message, details)


class Changes:
    """The changes that a watch reports. `close` ends it at once, also from another thread than the one that reads."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self._chunks = response.stream(None)

    def __iter__(self) -> Iterator[Plain]:
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
        """The next bytes; none at the end, whoever caused it. TLS raises ValueError on a connection that was closed here."""
        try:
            return next(self._chunks, b"")
        except (exceptions.HTTPError, ValueError, OSError):
            return b""


def _repeatable(error: ApiError | NoAnswer, method: str) -> bool:
    """Whether the same request may succeed a little later, and cannot be carried out twice."""
    if isinstance(error, NoAnswer):
        return method != "POST" or not error.sent
    return error.transient and (method != "POST" or error.status == 429)
