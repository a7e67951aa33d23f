"""A cluster as the provider works on it: the API, its kinds, the settings, and the reading of one object.

Out of scope: what is done to an object (operations.py) and when it is ready (readiness/).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from clients.kubernetes.api import Api
from clients.kubernetes.kubeconfig import access
from engine.providers.kubernetes import objects
from engine.providers.kubernetes.discovery import Discovery, Place
from engine.providers.kubernetes.refusal import Plain


@dataclass(frozen=True)
class Settings:
    """The provider's configuration (configuration.py reads it)."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    delete_unreachable: bool = False
    patch_force: bool = False
    upsert: bool = False
    mutable: frozenset[str] = frozenset()  # kinds whose contents may change in place


class Site:
    """One cluster with one configuration."""

    def __init__(self, settings: Settings, base: Path | None = None) -> None:
        self.settings = settings
        self.cancelled = threading.Event()
        self._base = base or Path.cwd()
        self._lock = threading.Lock()
        self._made: tuple[Api, Discovery] | None = None

    @property
    def api(self) -> Api:
        """The API server; BadKubeconfig or NoAnswer when no kubeconfig names one."""
        return self._parts()[0]

    @property
    def kinds(self) -> Discovery:
        """What it knows."""
        return self._parts()[1]

    @property
    def default_namespace(self) -> str:
        """Where an object goes that names no namespace."""
        return self.settings.namespace or self.api.access.namespace

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._made is not None:
                self._made[0].close()

    def place_of(self, thing: Plain) -> Place:
        """Where this object's kind lives; RefusalError when the cluster does not know it even after a while."""
        return self.kinds.need(thing["apiVersion"], thing["kind"])

    def path_of(self, thing: Plain) -> str:
        """The object's own path."""
        return self.place_of(thing).path(objects.namespace_of(thing), objects.name_of(thing))

    def live(self, thing: Plain) -> Plain | None:
        """The object as it is now; None when it is gone."""
        return self.api.look(self.path_of(thing))

    def listed(self, api_version: str, kind: str, namespace: str, **selectors: str) -> list[Plain]:
        """The objects of a kind in a namespace; `labelSelector` and `fieldSelector` as the API has them."""
        place = self.kinds.find(api_version, kind)
        if place is None:
            return []
        return self.api.listed(place.path(namespace), **selectors)

    def _parts(self) -> tuple[Api, Discovery]:
        with self._lock:
            if self._made is None:
                settings = self.settings
                found = access(settings.kubeconfig, settings.context, settings.cluster, self._base)
                api = Api(found, self.cancelled)
                self._made = (api, Discovery(api))
            return self._made
