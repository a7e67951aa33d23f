"""metrics-server: on the host, behind a Service with its own endpoint (host/kubernetes/objects.py).

It asks the kubelet every 10 s; its request must time out before the next one. Out of scope: a second copy.
"""

from __future__ import annotations

from host.kubernetes import build, layout, pki, probes
from machine import addresses

NAME = "metrics-server"
AFTER = ("kube-apiserver", "kubelet")
PORT = 4443


def configure() -> None:
    """Nothing but keys and a kubeconfig."""


def command() -> list[str]:
    kubeconfig = layout.kubeconfig(NAME)
    certificate, key = pki.pair("metrics-serving")
    return [
        build.program(NAME),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={addresses.NODE}",
        f"--secure-port={PORT}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        "--kubelet-request-timeout=5s",
        "--metric-resolution=10s",
    ]


def ready() -> bool:
    return probes.answers(f"https://{addresses.NODE}:{PORT}/livez")
