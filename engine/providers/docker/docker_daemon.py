"""The connection to Docker: made when first needed, cancellable, with errors in the user's words.

A call that may block for long (stop, build, pull) runs in a thread of its own, because the SDK cannot be
interrupted: Cancel returns at once and the abandoned call ends when Docker answers. Waits go through one
event, never through a sleep.
Out of scope: TLS and ssh; the lab's Docker is on this machine.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

if TYPE_CHECKING:
    from docker import APIClient
    from docker.errors import APIError

DEFAULT_HOST = "unix:///var/run/docker.sock"
SCHEMES = ("unix://", "tcp://", "http://")
ANSWER_SECONDS = 60  # Docker answers in milliseconds; a busy disk was seen to take 10 s over a removal
BUILD_SECONDS = 3600
KNOCK_SECONDS = 5.0
POLL_SECONDS = 0.05
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
}
Result = TypeVar("Result")


class RefusalError(Exception):
    """An operation that did not happen, with its gRPC code."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class DockerDaemon:
    """One Docker daemon."""

    def __init__(self, host: str = DEFAULT_HOST) -> None:
        self.host = host
        self.cancelled = threading.Event()
        self._lock = threading.Lock()
        self._client: APIClient | None = None
        self._pinged = False

    @property
    def client(self) -> APIClient:
        """The connection, for calls that answer at once."""
        with self._lock:
            if self._client is None:
                self._client = self.connect(ANSWER_SECONDS)
            return self._client

    def connect(self, seconds: int) -> APIClient:
        """A connection of one's own; the caller closes it."""
        from docker import APIClient
        from docker.errors import DockerException

        try:
            _knock(self.host)
            return APIClient(base_url=self.host, timeout=seconds, version="auto", num_pools=32)
        except (DockerException, OSError) as error:
            raise self.unreachable(error) from error

    def close(self) -> None:
        """Give up the connection; a call that still runs ends on its own."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def ping(self) -> None:
        """Refuse now if Docker cannot be reached. Asked once: later the calls themselves meet it."""
        if not self._pinged:
            self.client.ping()
            self._pinged = True

    def unreachable(self, error: Exception) -> RefusalError:
        """The refusal of a call that met no daemon."""
        words = str(error).removeprefix("Error while fetching server API version: ")
        message = f"cannot reach Docker at {self.host}: {words}; start it with: vmlab host up docker"
        return RefusalError(grpc.StatusCode.FAILED_PRECONDITION, message)

    def image(self, name: str) -> dict[str, Any] | None:
        """What Docker knows of an image; None when it has none of that name."""
        return self.look(self.client.inspect_image, name)

    def look(self, inspect: Callable[[str], Any], name: str) -> dict[str, Any] | None:
        """The answer of one of the client's `inspect_*`; None when there is no such object."""
        from docker.errors import NotFound

        try:
            return dict(inspect(name))
        except NotFound:
            return None

    def remove_image(self, name: str, *, force: bool = False) -> None:
        """Untag an image; one that is gone is removed already, and one that a container uses stays."""
        from docker.errors import APIError

        try:
            self.client.remove_image(name, force=force)
        except APIError as error:
            if error.status_code not in (404, 409):  # 409: a container uses it
                raise

    def cancel(self) -> None:
        """Break off what waits."""
        self.cancelled.set()

    def run(self, blocking: Callable[[APIClient], Result], seconds: float) -> Result:
        """The answer of a call that may block for long, on a connection of its own."""
        answer: Future[Result] = Future()
        threading.Thread(target=self._blocking, args=(blocking, seconds, answer), daemon=True).start()
        deadline = time.monotonic() + seconds
        while wait([answer], POLL_SECONDS).not_done:
            self._check(deadline, "Docker's answer", seconds)
        return answer.result()

    def until(self, happened: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for something that Docker tells only when asked."""
        deadline = time.monotonic() + seconds
        pause = POLL_SECONDS
        while not happened():
            self._check(deadline, what, seconds)
            self.cancelled.wait(pause)
            pause = min(pause * 1.5, 0.5)

    def remove(
        self,
        remove: Callable[[APIClient], object],
        still_used: Callable[[APIError], bool],
        seconds: float,
        what: str,
    ) -> None:
        """Remove something until Docker answers that it is gone, as long as Docker refuses because it is in use."""
        from docker.errors import APIError, NotFound

        reasons = ["it is still there"]

        def gone() -> bool:
            try:
                remove(self.client)
            except NotFound:
                return True
            except APIError as error:
                if not still_used(error):
                    raise
                reasons[0] = words_of(error)
            return False

        try:
            self.until(gone, seconds, what)
        except RefusalError as refusal:
            raise RefusalError(refusal.code, f"{refusal}: {reasons[0]}") from None

    def _check(self, deadline: float, what: str, seconds: float) -> None:
        if self.cancelled.is_set():
            raise RefusalError(grpc.StatusCode.CANCELLED, f"cancelled while waiting for {what}")
        if time.monotonic() > deadline:
            raise RefusalError(grpc.StatusCode.DEADLINE_EXCEEDED, f"{what} did not come within {seconds:g} s")

    def _blocking(self, call: Callable[[APIClient], Any], seconds: float, answer: Future[Any]) -> None:
        try:
            with contextlib.closing(self.connect(int(seconds) + 5)) as client:
                result = call(client)
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            answer.set_exception(error)
        else:
            answer.set_result(result)


def _knock(host: str) -> None:
    """Meet an absent daemon here: the SDK leaks its socket then, and wraps the reason four times."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(KNOCK_SECONDS)
            knock.connect("/" + host.removeprefix("unix://").lstrip("/"))


def words_of(error: Exception) -> str:
    """Docker's own message."""
    return str(getattr(error, "explanation", None) or error)


def translated(error: Exception, daemon: DockerDaemon) -> RefusalError:
    """An error of the SDK or its transport as a refusal."""
    import requests
    from docker import errors

    if isinstance(error, RefusalError):
        return error
    if isinstance(error, requests.exceptions.ConnectionError):
        return daemon.unreachable(error)
    if isinstance(error, errors.APIError):
        code = _CODES.get(error.status_code or 500, grpc.StatusCode.INTERNAL)
        return RefusalError(code, f"Docker reported: {words_of(error)}")
    if isinstance(error, requests.exceptions.Timeout):
        return RefusalError(grpc.StatusCode.DEADLINE_EXCEEDED, f"Docker did not answer: {error}")
    return RefusalError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
