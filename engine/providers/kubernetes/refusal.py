"""What can come of a call besides success: a refusal of ours, an error of the Kubernetes client, an object that is not ready.

The client's errors are translated to gRPC codes here, at the engine's border. Out of scope: sending the status (servicer.py).
"""

from __future__ import annotations

from typing import Any

import grpc

from clients.kubernetes.errors import ApiError, BadKubeconfig, Cancelled, ClientError, NoAnswer

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


Failures = (RefusalError, ClientError)  # a call that did not succeed, whoever refused it


def code_of(error: ClientError) -> grpc.StatusCode:
    """The gRPC code of the client's error."""
    if isinstance(error, ApiError):
        return _CODES.get(error.status, grpc.StatusCode.FAILED_PRECONDITION)
    if isinstance(error, NoAnswer) and error.sent:
        return grpc.StatusCode.UNAVAILABLE
    if isinstance(error, Cancelled):
        return grpc.StatusCode.CANCELLED
    if isinstance(error, BadKubeconfig):
        return grpc.StatusCode.INVALID_ARGUMENT
    return grpc.StatusCode.FAILED_PRECONDITION


class NotReadyError(Exception):
    """The object exists and is not ready."""

    def __init__(self, live: Plain, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.live = live
        self.reasons = reasons
