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
RBAC = "rbac.authorization.k8s.io"
SYSTEM = "/api/v1/namespaces/kube-system"
METRICS = "metrics-server"
METRICS_API = "v1beta1.metrics.k8s.io"
Object = dict[str, Any]


def make() -> None:
    """Apply them; doing so again changes nothing."""
    for path, wanted in (*_rights(), *_names(), *_metrics()):
        api.apply(f"{path}/{wanted['metadata']['name']}", wanted)


def _rights() -> list[tuple[str, Object]]:
    client, server, system = "kube-apiserver-kubelet-client", "system:metrics-server", "kube-system"
    reads = [
        _rule("", "nodes/metrics nodes/stats", "get"),
        _rule("", "pods nodes namespaces", "get list watch"),
    ]
    names = [
        _rule("", "services namespaces", "list watch"),
        _rule("discovery.k8s.io", "endpointslices", "list watch"),
    ]
    return [
        _rbac("ClusterRole", "vmlab:metrics-server", rules=reads),
        _rbac("ClusterRole", "vmlab:coredns", rules=names),
        _binding("vmlab:kubelet-api-admin", "system:kubelet-api-admin", client),
        _binding("vmlab:coredns", "vmlab:coredns", "system:coredns"),
        _binding("vmlab:metrics-server", "vmlab:metrics-server", server),
        _binding("vmlab:metrics-server:auth-delegator", "system:auth-delegator", server),
        _binding("vmlab:metrics-server", "extension-apiserver-authentication-reader", server, system),
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


def _rule(group: str, resources: str, verbs: str) -> Object:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}


def _binding(name: str, role: str, user: str, namespace: str = "") -> tuple[str, Object]:
    kind = "Role" if namespace else "ClusterRole"
    refers = {"apiGroup": RBAC, "kind": kind, "name": role}
    subjects = [{"apiGroup": RBAC, "kind": "User", "name": user}]
    return _rbac(f"{kind}Binding", name, namespace, roleRef=refers, subjects=subjects)


def _rbac(kind: str, name: str, namespace: str = "", **more: Any) -> tuple[str, Object]:
    inner = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{RBAC}/v1{inner}/{kind.lower()}s", _object(f"{RBAC}/v1", kind, name, namespace, **more)


def _object(version: str, kind: str, name: str, namespace: str = "", **more: Any) -> Object:
    metadata: Object = {"name": name, "labels": dict(LABELS)}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}
