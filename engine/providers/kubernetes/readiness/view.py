"""What a rule of readiness sees, and its verdict.

A rule looks at one object, and through the view at others. It never waits itself. It may ask whether something has been
still for a while; in an instant view (Read) everything counts as still.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from engine.providers.kubernetes.refusal import Plain
from engine.providers.kubernetes.site import Site


@dataclass(frozen=True)
class Verdict:
    """`waiting_for` is empty when the object is ready. With `hopeless` it never will be."""

    waiting_for: str = ""
    hopeless: bool = False

    @property
    def ready(self) -> bool:
        """Whether it is."""
        return not self.waiting_for


READY = Verdict()
UNSEEN = Verdict("its controller to see the change")


class View:
    """One wait's view of the cluster."""

    def __init__(self, site: Site, *, instant: bool = False) -> None:
        self.site = site
        self._instant = instant
        self._seen: dict[str, tuple[Any, float]] = {}

    def still(self, key: str, value: Any, seconds: float) -> bool:
        """Whether this value has been the same for so long."""
        now = time.monotonic()
        before, since = self._seen.setdefault(key, (value, now))
        if before != value:
            self._seen[key] = (value, now)
            since = now
        return self._instant or now - since >= seconds

    def listed(self, api_version: str, kind: str, namespace: str, **selectors: str) -> list[Plain]:
        """The objects of a kind in a namespace."""
        return self.site.listed(api_version, kind, namespace, **selectors)

    def look(self, api_version: str, kind: str, namespace: str, name: str) -> Plain | None:
        """One object, or None."""
        place = self.site.kinds.find(api_version, kind)
        return self.site.api.look(place.path(namespace, name)) if place else None


Rule: TypeAlias = Callable[[View, Plain], Verdict]


def first(*verdicts: Verdict) -> Verdict:
    """The first that is not ready."""
    return next((verdict for verdict in verdicts if not verdict.ready), READY)


def selector_text(selector: Plain | None) -> str:
    """A label selector in the form of the API's query."""
    selector = selector or {}
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    words = {"In": "in", "NotIn": "notin"}
    for row in selector.get("matchExpressions") or []:
        key, operator, values = row.get("key"), row.get("operator"), ",".join(row.get("values") or [])
        negation = "!" if operator == "DoesNotExist" else ""
        parts.append(f"{key} {words[operator]} ({values})" if operator in words else negation + str(key))
    return ",".join(parts)
