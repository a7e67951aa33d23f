"""Providers as resources: which provider serves a resource, and how its configuration lives in the state.

A provider is a resource of type `pulumi:providers:<package>`. It is checked, diffed and replaced like any other, by the
functions here instead of by a provider of its own, and resources refer to it as `<urn>::<id>` (docs/engine-rules.md D6 to D9).
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Collection

from engine import urn as urns
from engine.deploy.goal import Goal
from engine.errors import EngineError, WrongUse
from engine.providers.client import CheckFailure, Difference, Provider
from engine.providers.loading import Loader
from engine.state.resource import Resource
from engine.values import UNKNOWN_SENTINEL, Properties, Secret, contains_unknown, without_secrets
from engine.values.paths import changed_paths

INTERNAL = {"__internal", "version", "pluginDownloadURL"}


def split_reference(reference: str) -> tuple[str, str]:
    """The URN and the id of a provider reference."""
    urn, _, id_ = reference.rpartition("::")
    return urn, id_


def configuration(inputs: Properties) -> Properties:
    """What the provider itself receives of a provider resource's inputs."""
    return {key: value for key, value in inputs.items() if key not in INTERNAL}


class ProviderResources:
    """The configured providers of one run."""

    def __init__(self, loader: Loader, config: dict[str, str], secret_keys: Collection[str] = ()) -> None:
        self._loader = loader
        self._config = config
        self._secret_keys = secret_keys
        self._lock = threading.Lock()
        self._configured: dict[str, Provider] = {}  # by reference
        self.default_locks: dict[str, threading.Lock] = {}

    # -- the life of a provider resource

    def check(
        self, urn: str, olds: Properties | None, news: Properties
    ) -> tuple[Properties, list[CheckFailure]]:
        """CheckConfig; what is not the provider's own is kept aside."""
        own = configuration(news)
        checked, failures = self._provider(urn).check_config(urn, configuration(olds or {}), own)
        internal = {key: value for key, value in news.items() if key in INTERNAL}
        return {"__internal": {}, **checked, **internal}, failures

    def diff(self, old: Resource, news: Properties) -> Difference:
        """DiffConfig; a provider that does not know it is compared by its configuration."""
        before, after = configuration(old.inputs), configuration(news)
        difference = self._provider(old.urn).diff_config(old.urn, before, old.outputs, after)
        if difference.changed is None:
            difference.changed = without_secrets(before) != without_secrets(after)
        if not difference.changed and old.inputs.get("version") != news.get("version"):
            difference.changed = True
        difference.keys = difference.keys or [str(p[0]) for p in changed_paths(old.inputs, news) if p]
        return difference

    def create(self, urn: str, inputs: Properties, preview: bool) -> tuple[str, Properties]:
        """Configure a new provider: its id is a UUID, unknown in a preview."""
        id_ = UNKNOWN_SENTINEL if preview else str(uuid.uuid4())
        self.configure(urn, id_, inputs)
        return id_, {key: value for key, value in inputs.items() if key != "__internal"}

    def configure(self, urn: str, id_: str, inputs: Properties) -> None:
        """Configure the provider under this reference, unless its configuration is not known yet (D9)."""
        provider = self._provider(urn)
        if not contains_unknown(list(inputs.values())):
            provider.configure(urn, id_, configuration(inputs))
        with self._lock:
            self._configured[f"{urn}::{id_}"] = provider

    def ensure(self, resource: Resource) -> None:
        """Configure a provider from the state, for resources whose program no longer mentions it."""
        with self._lock:
            if f"{resource.urn}::{resource.id}" in self._configured:
                return
        self.configure(resource.urn, resource.id, resource.inputs)

    # -- serving resources

    def get(self, reference: str) -> Provider:
        """The provider behind a reference."""
        with self._lock:
            provider = self._configured.get(reference)
        if provider is None:
            raise EngineError(f"the provider {reference} is not known in this run")
        return provider

    def default_goal(self, package: str, version: str, url: str) -> Goal:
        """The goal of a package's default provider, with what the stack's configuration has for it (D7)."""
        if self._denied(package):
            raise WrongUse(
                f"default providers are disabled for {package!r} by pulumi:disable-default-providers"
            )
        name = "default" + (f"_{version.replace('.', '_')}" if version else "") + (f"_{url}" if url else "")
        inputs = self._configuration_of(package)
        inputs |= {key: value for key, value in (("version", version), ("pluginDownloadURL", url)) if value}
        return Goal(
            type=f"{urns.PROVIDER_PREFIX}{package}", name=name, custom=True, inputs=inputs, version=version
        )

    def known(self, package: str) -> bool:
        """Whether there is a provider for this package."""
        return self._loader.known(package)

    def default_lock(self, name: str) -> threading.Lock:
        """One lock a default provider, so that it is registered once."""
        with self._lock:
            return self.default_locks.setdefault(name, threading.Lock())

    def _configuration_of(self, package: str) -> Properties:
        """`<package>:*`; for the dynamic provider everything by its full key, since its code may ask for any of it."""
        prefix = "" if package == "pulumi-python" else f"{package}:"
        return {
            key.removeprefix(prefix): Secret(value) if key in self._secret_keys else value
            for key, value in self._config.items()
            if key.startswith(prefix)
        }

    def _denied(self, package: str) -> bool:
        text = self._config.get("pulumi:disable-default-providers", "[]")
        denied = json.loads(text)
        return "*" in denied or package in denied

    def _provider(self, urn: str) -> Provider:
        return self._loader.load(urns.package_of(urns.type_of(urn)), urn)
