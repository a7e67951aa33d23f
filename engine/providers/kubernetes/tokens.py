"""Type tokens: `kubernetes:apps/v1:Deployment` is the kind Deployment of apps/v1, `kubernetes:core/v1:Pod` that of
v1.

Any group, version and kind is accepted here; whether the cluster knows it is decided by discovery. What the official
provider has beyond kinds is refused here by name: patches of objects, lists, Helm releases, and everything that
renders YAML.
"""

from __future__ import annotations

import re
from typing import NoReturn

import grpc

from engine.providers.kubernetes.refusal import Plain, RefusalError

_TOKEN = re.compile(r"kubernetes:([a-zA-Z0-9.-]+)/([a-z0-9]+):([A-Za-z][A-Za-z0-9]*)")
_BUILT_IN_GROUP = re.compile(r"[a-z]*|.*\.k8s\.io")
_RENDERERS = ("helm.sh", "kustomize", "yaml", "helm")


def kind_of(type_: str, inputs: Plain | None = None) -> tuple[str, str]:
    """apiVersion and kind of a type token; the inputs have the last word, as with the official provider."""
    inputs = inputs or {}
    found = _TOKEN.fullmatch(type_)
    if found is None:
        raise _refused(
            f"{type_} is not implemented: only kinds of the cluster, as kubernetes:<group>/<version>:<Kind>"
        )
    group, version, kind = found.groups()
    if group in _RENDERERS:
        raise _refused(
            f"{type_} is not implemented: Helm, Kustomize and YAML rendering are not supported; declare the objects themselves"
        )
    given = inputs.get("kind")
    if kind.endswith("Patch") and given != kind:
        raise _refused(
            f"{type_} is not implemented: patches of other users' objects are not supported; "
            f"import the {kind.removesuffix('Patch')} with the option import_, or change it where it is made"
        )
    if kind.endswith("List") and kind != "List" and _BUILT_IN_GROUP.fullmatch(group):
        raise _refused(
            f"{type_} is not implemented: lists are not supported; declare each {kind.removesuffix('List')}"
        )
    api_version = version if group == "core" else f"{group}/{version}"
    return _text(inputs.get("apiVersion")) or api_version, _text(given) or kind


def refuse_function(token: str) -> NoReturn:
    """The functions behind ConfigFile, ConfigGroup, Chart and Directory."""
    raise _refused(
        f"the function {token} is not implemented: Helm, Kustomize and YAML rendering are not supported; "
        "declare the objects themselves"
    )


def canonical(api_version: str) -> str:
    """`v1` of the SDK's old name for it."""
    return api_version.removeprefix("core/")


def _text(value: object) -> str:
    return canonical(value) if isinstance(value, str) else ""


def _refused(message: str) -> RefusalError:
    return RefusalError(grpc.StatusCode.UNIMPLEMENTED, message)
