"""Kubeconfigs: one for the lab, one for each program that is a client of the API.

Complete in themselves, so that the lab's can be handed to kubectl and Pulumi. Never in the user's own ~/.kube. JSON is
YAML. Left out: tokens.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

from host.kubernetes import layout, pki

CLIENTS = ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "metrics-server")
CONTEXT = "vmlab"


def make() -> None:
    """Write them all."""
    layout.kubeconfig("kubelet").parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for user in CLIENTS:
        _write(layout.kubeconfig(user), _content(user))
    _write(layout.kubeconfig(), _content("admin"))


def _content(user: str) -> dict[str, Any]:
    certificate, key = pki.pair(user)
    cluster = {"server": layout.API, "certificate-authority-data": _encoded(pki.certificate("ca"))}
    client = {"client-certificate-data": _encoded(certificate), "client-key-data": _encoded(key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": client}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _write(path: Path, content: dict[str, Any]) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
