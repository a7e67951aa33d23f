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
        *_serving(),
        *_accounts(),
        *_clients(),
        *_front_proxy(),
    ]


def ready() -> bool:
    return api.is_ready()


def _serving() -> list[str]:
    certificate, key = pki.pair("apiserver")
    return [
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={pki.certificate('ca')}",
    ]


def _accounts() -> list[str]:
    return [
        f"--service-account-issuer=https://kubernetes.default.svc.{layout.DOMAIN}",
        f"--service-account-key-file={pki.key('service-accounts')}",
        f"--service-account-signing-key-file={pki.key('service-accounts')}",
    ]


def _clients() -> list[str]:
    """As a client of etcd and of the kubelet."""
    etcd_certificate, etcd_key = pki.pair("etcd-client")
    kubelet_certificate, kubelet_key = pki.pair("apiserver-kubelet-client")
    return [
        f"--etcd-servers={etcd.CLIENTS}",
        f"--etcd-cafile={pki.certificate('etcd-ca')}",
        f"--etcd-certfile={etcd_certificate}",
        f"--etcd-keyfile={etcd_key}",
        f"--kubelet-certificate-authority={pki.certificate('ca')}",
        f"--kubelet-client-certificate={kubelet_certificate}",
        f"--kubelet-client-key={kubelet_key}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


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
