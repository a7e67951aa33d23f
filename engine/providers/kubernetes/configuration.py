"""The provider's own inputs: which are supported, which are refused by name, and when they mean another cluster.

The SDK sends values that are not strings as JSON. Defaults are taken from the environment variables of the official
provider.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from pulumi.runtime.proto import provider_pb2

from clients.kubernetes.kubeconfig import access
from engine.providers.kubernetes.refusal import Failures, Plain
from engine.providers.kubernetes.site import Settings
from engine.values import Unknown

TEXTS = ("kubeconfig", "context", "cluster", "namespace", "clusterIdentifier")
FLAGS = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "suppressDeprecationWarnings": "PULUMI_K8S_SUPPRESS_DEPRECATION_WARNINGS",
    "suppressHelmHookWarnings": "PULUMI_K8S_SUPPRESS_HELM_HOOK_WARNINGS",
}
IMPLEMENTED = (*TEXTS, *FLAGS)
ENGINES_OWN = ("version", "pluginDownloadURL", "parameterization")  # that engines add to a provider's inputs
ACTIVE = ("kubeconfig", "context", "cluster")


def faults(inputs: Plain, base: Path) -> list[tuple[str, str]]:
    """The inputs that are not supported, each with the reason. The cluster is not asked."""
    found = []
    for key, value in inputs.items():
        if isinstance(value, Unknown) or value is None:
            continue
        if key in FLAGS:
            if _flag(value) is None:
                found.append((key, f"must be true or false, not {value!r}"))
        elif key not in TEXTS + ENGINES_OWN:
            reason = f"{key} is not implemented by this provider; it has {', '.join(IMPLEMENTED)}"
            found.append((key, reason))
    if _flag(_given(inputs, "enableServerSideApply")) is False:
        found.append(("enableServerSideApply", "client-side apply is not implemented: leave it out"))
    if not found and not any(isinstance(inputs.get(key), Unknown) for key in ACTIVE):
        try:
            _server(inputs, base)
        except Failures as refusal:
            found.append(("kubeconfig" if inputs.get("kubeconfig") else "", str(refusal)))
    return found


def settings(inputs: Plain) -> Settings:
    """The inputs as settings."""
    is_on = {key: _flag(_given(inputs, key)) is True for key in FLAGS}
    mutable = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}
    return Settings(
        **{key: str(inputs.get(key) or "") for key in (*ACTIVE, "namespace")},
        delete_unreachable=is_on["deleteUnreachable"],
        patch_force=is_on["enablePatchForce"],
        upsert=is_on["upsertExistingObjects"],
        mutable=frozenset(kind for kind, key in mutable.items() if is_on[key]),
    )


def difference(olds: Plain, news: Plain, base: Path) -> provider_pb2.DiffResponse:
    """Another API server is another cluster and replaces everything on it. `clusterIdentifier` decides where both have it."""
    keys = sorted(key for key in IMPLEMENTED if olds.get(key) != news.get(key))
    deciding: tuple[str, ...] = ()
    if olds.get("clusterIdentifier") and news.get("clusterIdentifier"):
        deciding = ("clusterIdentifier",)
    elif any(isinstance(news.get(key), Unknown) for key in ACTIVE) or not _is_same(olds, news, base):
        deciding = ACTIVE
    replaces = [key for key in keys if key in deciding]
    changes = provider_pb2.DiffResponse.DIFF_SOME if keys else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(changes=changes, diffs=keys, replaces=replaces)


def _is_same(olds: Plain, news: Plain, base: Path) -> bool:
    """Whether both name one API server, or neither names any (any more)."""
    servers: list[str | None] = []
    for inputs in (olds, news):
        try:
            servers.append(_server(inputs, base))
        except Failures:
            servers.append(None)
    return servers[0] == servers[1]


def _server(inputs: Plain, base: Path) -> str:
    given, context, cluster = (str(inputs.get(key) or "") for key in ACTIVE)
    return access(given, context, cluster, base).server


def _given(inputs: Plain, key: str) -> object:
    value = inputs.get(key)
    return os.environ.get(FLAGS[key]) if value is None else value


def _flag(value: object) -> bool | None:
    """True or False of what the SDK, a stack's configuration or the environment writes; None of anything else."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    with suppress(ValueError):
        text = str(json.loads(text)).lower()
    return {"true": True, "1": True, "false": False, "0": False}.get(text)
