"""What can come of a call besides success: a refusal, an answer of the API server's, a thing that is not ready.

Left out: turning them into gRPC statuses; that is the servicer's.
"""

from __future__ import annotations

from typing import Any

import grpc

Plain = dict[str, Any]

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    405: grpc.StatusCode.INVALID_ARGUMENT,
    409: grpc.StatusCode.ABORTED,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class RefusalError(Exception):
    """An operation that did not happen, with its gRPC code."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class AnswerError(RefusalError):
    """An error that the API server answered. `reason` is its word for it (`AlreadyExists`), `details` what it adds."""

    def __init__(self, status: int, reason: str, message: str, details: Plain | None = None) -> None:
        super().__init__(_CODES.get(status, grpc.StatusCode.FAILED_PRECONDITION), message)
        self.status = status
        self.reason = reason
        self.details = details or {}

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.status in (429, 500, 502, 503, 504)


class SilenceError(RefusalError):
    """No answer came. `sent`: the request may have been carried out all the same."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(
            grpc.StatusCode.UNAVAILABLE if sent else grpc.StatusCode.FAILED_PRECONDITION, message
        )
        self.sent = sent


class CancelledError(RefusalError):
    """The user broke it off."""

    def __init__(self, what: str) -> None:
        super().__init__(grpc.StatusCode.CANCELLED, f"cancelled while waiting for {what}")


class NotReadyError(Exception):
    """The object exists and is not ready."""

    def __init__(self, live: Plain, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.live = live
        self.reasons = reasons
