"""What can go wrong between this machine and an API server; each message names the kubeconfig and the server.

    ClientError             any of these
      BadKubeconfig         a kubeconfig that cannot be used (exit code 2)
      BadPlugin             its credential plugin failed (exit code 2)
      ApiError              the API server answered with an error
      NoAnswer              the API server did not answer, or no kubeconfig names one
        LabClusterDown      the lab's own cluster did not (exit code 3)
        NamedClusterDown    the cluster that the user named did not (exit code 2)
      Cancelled             the user cancelled the wait

Out of scope: gRPC statuses (`engine/providers/kubernetes/refusal.py`).
"""

from __future__ import annotations

from typing import Any

from machine.errors import InvalidInput, Unavailable, VmlabError

HOST_UP = "vmlab host up kubernetes"
_TRANSIENT = (429, 500, 502, 503, 504)


class ClientError(VmlabError):
    """Any error of this client."""


class BadKubeconfig(ClientError, InvalidInput):
    """A kubeconfig that cannot be used."""


class BadPlugin(ClientError, InvalidInput):
    """A credential plugin that failed."""


class ApiError(ClientError):
    """An error that the API server answered: HTTP's `status`, its `reason` (`AlreadyExists`) and `details`."""

    def __init__(self, status: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.details = details or {}

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status in _TRANSIENT


class NoAnswer(ClientError):
    """No answer came. `sent`: the request may have been carried out all the same."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class LabClusterDown(NoAnswer, Unavailable):
    """The lab's own cluster is not up."""

    def __init__(self, message: str, *, sent: bool = False) -> None:
        Unavailable.__init__(self, message, HOST_UP)
        self.sent = sent


class NamedClusterDown(NoAnswer, InvalidInput):
    """The cluster that the user named does not answer."""

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(f"{message}; next: give --kubeconfig or --context a cluster that runs", sent=sent)


class Cancelled(ClientError):
    """The user cancelled the wait."""

    def __init__(self, what: str) -> None:
        super().__init__(f"cancelled while waiting for {what}")
