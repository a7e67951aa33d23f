"""CoreDNS: on the host, behind the Service kube-dns with its own endpoint (host/kubernetes/objects.py).

It answers for the cluster's own names and refuses all others: pods reach nothing outside. Out of scope: forwarding,
and a second copy.
"""

from __future__ import annotations

from host.kubernetes import build, layout, probes
from machine import addresses

NAME = "coredns"
AFTER = ("kube-apiserver",)
PORT, READY_PORT = 10053, 10054
COREFILE = """\
.:{port} {{
    bind {address}
    errors
    ready 127.0.0.1:{ready}
    cache 30
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 30
    }}
}}
"""


def configure() -> None:
    layout.configuration("Corefile").write_text(
        COREFILE.format(
            port=PORT,
            ready=READY_PORT,
            address=addresses.NODE,
            domain=layout.DOMAIN,
            kubeconfig=layout.kubeconfig(NAME),
        )
    )


def command() -> list[str]:
    return [build.program(NAME), str(layout.configuration("Corefile"))]


def ready() -> bool:
    return probes.answers(f"http://127.0.0.1:{READY_PORT}/ready")
