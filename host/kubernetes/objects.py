"""What a new API server lacks: rights, and Services for metrics-server and CoreDNS.

Those run on the host, so their Services have an endpoint and no pods. Out of scope: namespaces and everything else that
belongs to a stack.
"""

from __future__ import annotations

import base64
from typing import Any

from host.kubernetes import api, pki
from host.kubernetes.programs import dns, metrics
from machine import addresses

LABELS = {"app.kubernetes.io/managed-by": "vmlab"}
RBAC = "/apis/rbac.authorization.k8s.io/v1"
SYSTEM = "/api/v1/namespaces/kube-system"
METRICS = "metrics-server"
METRICS_API = "v1beta1.metrics.k8s.io"
Object = dict[str, Any]


def make() -> None:
    """Apply them; doing so again changes nothing."""
    for path, wanted in (*_rights(), *_names(), *_metrics()):
        api.apply(f"{path}/{wanted['metadata']['name']}", wanted)


def _rights() -> list[tuple[str, Object]]:
    reads = [{"apiGroups": [""], "resources": ["nodes/metrics", "nodes/stats"], "verbs": ["get"]}]
    reads += [
        {"apiGroups": [""], "resources": ["pods", "nodes", "namespaces"], "verbs": ["get", "list", "watch"]}
    ]
    role = _object("rbac.authorization.k8s.io/v1", "ClusterRole", "vmlab:metrics-server", rules=reads)
    names = [{"apiGroups": [""], "resources": ["services", "namespaces"], "verbs": ["list", "watch"]}]
    names += [
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    ]
    resolver = _object("rbac.authorization.k8s.io/v1", "ClusterRole", "vmlab:coredns", rules=names)
    client, server = "kube-apiserver-kubelet-client", "system:metrics-server"
    bindings = [
        _binding("vmlab:kubelet-api-admin", "system:kubelet-api-admin", client),
        _binding("vmlab:coredns", "vmlab:coredns", "system:coredns"),
        _binding("vmlab:metrics-server", "vmlab:metrics-server", server),
        _binding("vmlab:metrics-server:auth-delegator", "system:auth-delegator", server),
    ]
    reader = _binding(
        "vmlab:metrics-server", "extension-apiserver-authentication-reader", server, "kube-system"
    )
    return [
        (f"{RBAC}/clusterroles", role),
        (f"{RBAC}/clusterroles", resolver),
        *((f"{RBAC}/clusterrolebindings", binding) for binding in bindings),
        (f"{RBAC}/namespaces/kube-system/rolebindings", reader),
    ]


def _metrics() -> list[tuple[str, Object]]:
    group, version = "metrics.k8s.io", "v1beta1"
    spec = {
        "group": group,
        "version": version,
        "service": {"name": METRICS, "namespace": "kube-system", "port": 443},
        "caBundle": base64.b64encode(pki.certificate("ca").read_bytes()).decode(),
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    registered = _object("apiregistration.k8s.io/v1", "APIService", METRICS_API, spec=spec)
    ports = [{"name": "https", "port": 443, "protocol": "TCP"}]
    return [
        *_on_the_host(METRICS, {"ports": ports}, metrics.PORT),
        ("/apis/apiregistration.k8s.io/v1/apiservices", registered),
    ]


def _names() -> list[tuple[str, Object]]:
    ports = [{"name": f"dns-{kind.lower()}", "port": 53, "protocol": kind} for kind in ("UDP", "TCP")]
    return _on_the_host("kube-dns", {"clusterIP": addresses.DNS_SERVICE, "ports": ports}, dns.PORT)


def _on_the_host(name: str, spec: Object, port: int) -> list[tuple[str, Object]]:
    """A service without pods, and its endpoint: a program of the host's."""
    endpoints = _object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        name,
        "kube-system",
        addressType="IPv4",
        endpoints=[{"addresses": [addresses.NODE], "conditions": {"ready": True}}],
        ports=[{"name": one["name"], "port": port, "protocol": one["protocol"]} for one in spec["ports"]],
    )
    endpoints["metadata"]["labels"]["kubernetes.io/service-name"] = name
    return [
        (f"{SYSTEM}/services", _object("v1", "Service", name, "kube-system", spec=spec)),
        ("/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices", endpoints),
    ]


def _binding(name: str, role: str, user: str, namespace: str = "") -> Object:
    kind = "Role" if namespace else "ClusterRole"
    return _object(
        "rbac.authorization.k8s.io/v1",
        f"{kind}Binding",
        name,
        namespace,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        subjects=[{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    )


def _object(version: str, kind: str, name: str, namespace: str = "", **more: Any) -> Object:
    metadata: Object = {"name": name, "labels": dict(LABELS)}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}
