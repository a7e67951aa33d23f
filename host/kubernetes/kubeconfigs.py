"""Kubeconfigs: one for the lab, one for each program that is a client of the API.

Self-contained, so that the lab's can be given to kubectl and Pulumi. Never in the user's own ~/.kube. JSON is
YAML. Out of scope: tokens.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from host.kubernetes import layout, pki
from machine import files

CLIENTS = ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "metrics-server")
CONTEXT = "vmlab"


def make() -> None:
    """Write them all."""
    layout.kubeconfig("kubelet").parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for user in CLIENTS:
        files.write_json(layout.kubeconfig(user), _content(user), mode=0o600)
    files.write_json(layout.kubeconfig(), _content("admin"), mode=0o600)


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
