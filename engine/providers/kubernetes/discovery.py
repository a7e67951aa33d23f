"""Which kinds the cluster knows, and where each lives: asked for one group and version at a time, kept, asked again
on a miss.

A miss may be a custom kind whose definition this very run has just created. Out of scope: categories, short names,
subresources.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from clients.kubernetes.api import Api
from engine.providers.kubernetes.refusal import Plain, RefusalError

NEEDED_VERBS = frozenset({"get", "patch", "delete"})
NEW_KIND_SECONDS = (
    15.0  # a definition is served about 1 s after its creation; measured on the built-in cluster
)


@dataclass(frozen=True)
class Place:
    """Where the objects of a kind are."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of one object, of a namespace's, or of all."""
        inner = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{_root(self.api_version)}{inner}/{self.plural}" + (f"/{name}" if name else "")


class Discovery:
    """The kinds of one API server."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, dict[str, Place]] = {}

    def find(self, api_version: str, kind: str) -> Place | None:
        """The place of a kind; None when the cluster does not know it."""
        found = self._known.get(api_version, {}).get(kind)
        if found is None:
            self._known[api_version] = self._asked(api_version)  # one assignment: no thread sees a part
            found = self._known[api_version].get(kind)
        return found

    def need(self, api_version: str, kind: str, seconds: float = NEW_KIND_SECONDS) -> Place:
        """The place of a kind, once its definition is served; RefusalError when it is not in time."""
        found: Place | None = None

        def served() -> bool:
            nonlocal found
            found = self.find(api_version, kind)
            return found is not None

        self._api.until(
            served, seconds if may_come(api_version) else 0.0, f"the kind {kind} of {api_version}"
        )
        if found is None:
            raise RefusalError(grpc.StatusCode.FAILED_PRECONDITION, unknown(api_version, kind))
        if missing := NEEDED_VERBS - found.verbs:
            raise RefusalError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"{kind} of {api_version} cannot be managed: the cluster offers no {', '.join(sorted(missing))} for it",
            )
        return found

    def _asked(self, api_version: str) -> dict[str, Place]:
        answer = self._api.look(_root(api_version)) or {}
        rows = [row for row in answer.get("resources") or [] if "/" not in row["name"]]
        return {row["kind"]: _place(api_version, row) for row in rows}


def _root(api_version: str) -> str:
    return f"/{'apis' if '/' in api_version else 'api'}/{api_version}"


def may_come(api_version: str) -> bool:
    """Whether a definition may bring this group and version; those without a domain are Kubernetes' own."""
    return "." in api_version.rpartition("/")[0]


def unknown(api_version: str, kind: str) -> str:
    """The message about a kind that the cluster does not know."""
    message = f"the cluster knows no kind {kind} of {api_version}"
    if not may_come(api_version):
        return message
    return f"{message}: is its CustomResourceDefinition installed, and does this resource depend on it?"


def _place(api_version: str, row: Plain) -> Place:
    verbs = frozenset(row.get("verbs") or [])
    return Place(api_version, row["kind"], row["name"], bool(row.get("namespaced")), verbs)
