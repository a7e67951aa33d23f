"""kube-apiserver: on the node's address, which pods reach too and the outside does not (host/kubernetes/network.py).

The aggregator connects to endpoints directly (`--enable-aggregator-routing`): a kept-alive connection to a service's address
that was not programmed yet stays wrong. Out of scope: audit logs and encryption at rest.
"""

from __future__ import annotations

from host.kubernetes import api, build, layout, pki
from host.kubernetes.programs import etcd
from machine import addresses

NAME = "kube-apiserver"
AFTER: tuple[str, ...] = ()  # it waits for etcd by itself, and starting both at once saves half a second


def configure() -> None:
    """Nothing but keys, which host/kubernetes/pki.py makes."""


def command() -> list[str]:
    serving = pki.pair("apiserver")
    to_etcd, to_kubelet = pki.pair("etcd-client"), pki.pair("apiserver-kubelet-client")
    return [
        build.program(NAME),
        f"--advertise-address={addresses.NODE}",
        f"--bind-address={addresses.NODE}",
        f"--secure-port={layout.API_PORT}",
        f"--service-cluster-ip-range={addresses.SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--enable-aggregator-routing=true",
        "--profiling=false",
        f"--tls-cert-file={serving[0]}",
        f"--tls-private-key-file={serving[1]}",
        f"--client-ca-file={pki.certificate('ca')}",
        f"--service-account-issuer=https://kubernetes.default.svc.{layout.DOMAIN}",
        f"--service-account-key-file={pki.key('service-accounts')}",
        f"--service-account-signing-key-file={pki.key('service-accounts')}",
        f"--etcd-servers={etcd.CLIENTS}",
        f"--etcd-cafile={pki.certificate('etcd-ca')}",
        f"--etcd-certfile={to_etcd[0]}",
        f"--etcd-keyfile={to_etcd[1]}",
        f"--kubelet-certificate-authority={pki.certificate('ca')}",
        f"--kubelet-client-certificate={to_kubelet[0]}",
        f"--kubelet-client-key={to_kubelet[1]}",
        "--kubelet-preferred-address-types=InternalIP",
        *_front_proxy(),
    ]


def ready() -> bool:
    return api.is_ready()


def _front_proxy() -> list[str]:
    """Towards metrics-server and other APIs behind this one."""
    certificate, key = pki.pair("front-proxy")
    return [
        f"--proxy-client-cert-file={certificate}",
        f"--proxy-client-key-file={key}",
        f"--requestheader-client-ca-file={pki.certificate('front-proxy-ca')}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
    ]
