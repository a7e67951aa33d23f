"""The host's own calls of the Kubernetes API, as the lab's administrator. None is repeated: its callers retry.

Out of scope: everything that a stack declares, which is its provider's.
"""

from __future__ import annotations

from typing import Any

from clients.kubernetes import places
from clients.kubernetes.api import APPLY, Api
from clients.kubernetes.choice import Choice, shared
from clients.kubernetes.errors import ApiError
from machine.errors import VmlabError

MANAGER = "vmlab-host"


def is_ready() -> bool:
    """Whether the API server reports that it is ready, within a second; never raises."""
    try:
        return _client().is_healthy("/readyz", seconds=1.0)
    except VmlabError:  # there is no kubeconfig yet
        return False


def get(path: str) -> dict[str, Any] | None:
    """The object, or None if it does not exist; VmlabError if the API server does not answer or refuses."""
    try:
        return _client().send("GET", path, patience_seconds=0).body
    except ApiError as error:
        if error.status == 404:
            return None
        raise VmlabError(f"the API server answered {error.status} to GET {path}: {error}") from None


def apply(path: str, wanted: dict[str, Any]) -> None:
    """Server-side apply: the object is created, or brought to what is wanted."""
    query = {"fieldManager": MANAGER, "force": "true"}
    try:
        _client().send("PATCH", path, query=query, body=wanted, content_type=APPLY, patience_seconds=0)
    except ApiError as error:
        raise VmlabError(f"the API server answered {error.status} to apply {path}: {error}") from None


def _client() -> Api:
    return shared(Choice(places.kubeconfig()))
