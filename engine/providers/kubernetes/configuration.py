"""The provider's own inputs: which are supported, which are refused by name, and when they mean another cluster.

The SDK sends values that are not strings as JSON. Defaults are taken from the environment variables of the official
provider.
"""

from __future__ import annotations

import json
import os
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
ENGINES_OWN = (
    "version",
    "pluginDownloadURL",
    "parameterization",
)  # what engines put among a provider's inputs
ACTIVE = ("kubeconfig", "context", "cluster")
NOT_IMPLEMENTED = "{} is not implemented by this provider; it has {}"


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
            found.append((key, NOT_IMPLEMENTED.format(key, ", ".join(IMPLEMENTED))))
    if _flag(_given(inputs, "enableServerSideApply")) is False:
        found.append(("enableServerSideApply", "client-side apply is not implemented: leave it out"))
    if not found and not any(isinstance(inputs.get(key), Unknown) for key in ACTIVE):
        found += _kubeconfig_faults(inputs, base)
    return found


def settings(inputs: Plain) -> Settings:
    """The inputs as settings."""
    texts = {key: str(inputs.get(key) or "") for key in TEXTS}
    mutable = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}
    return Settings(
        kubeconfig=texts["kubeconfig"],
        context=texts["context"],
        cluster=texts["cluster"],
        namespace=texts["namespace"],
        delete_unreachable=_flag(_given(inputs, "deleteUnreachable")) is True,
        patch_force=_flag(_given(inputs, "enablePatchForce")) is True,
        upsert=_flag(_given(inputs, "upsertExistingObjects")) is True,
        mutable=frozenset(kind for kind, key in mutable.items() if _flag(_given(inputs, key)) is True),
    )


def difference(olds: Plain, news: Plain, base: Path) -> provider_pb2.DiffResponse:
    """Another API server is another cluster and replaces everything on it. `clusterIdentifier` decides where both have it."""
    keys = sorted(key for key in {*olds, *news} if key in IMPLEMENTED and olds.get(key) != news.get(key))
    replaces = []
    if olds.get("clusterIdentifier") and news.get("clusterIdentifier"):
        replaces = [key for key in keys if key == "clusterIdentifier"]
    elif any(isinstance(news.get(key), Unknown) for key in ACTIVE) or _server(olds, base) != _server(
        news, base
    ):
        replaces = [key for key in keys if key in ACTIVE]
    changes = provider_pb2.DiffResponse.DIFF_SOME if keys else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(changes=changes, diffs=keys, replaces=replaces)


def _kubeconfig_faults(inputs: Plain, base: Path) -> list[tuple[str, str]]:
    try:
        _access(inputs, base)
    except Failures as refusal:
        return [("kubeconfig" if inputs.get("kubeconfig") else "", str(refusal))]
    return []


def _server(inputs: Plain, base: Path) -> str | None:
    """The API server that these inputs name; None when they name none any more."""
    try:
        return _access(inputs, base)
    except Failures:
        return None


def _access(inputs: Plain, base: Path) -> str:
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
    try:
        text = str(json.loads(text)).lower()
    except ValueError:
        pass
    return {"true": True, "1": True, "false": False, "0": False}.get(text)
