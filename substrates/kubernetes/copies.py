"""What a copy is made from, its objects, and its handle: a bare pod of the Deployment's template, and a Service for it alone.

A copy differs from the stack's pods in its name, its nonce, a fresh volume for its data, that it may be on any node, and that
it stops when told to: no draining, and no restart after a crash. Out of scope: creating them (boot.py).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from clients.kubernetes.choice import Choice
from substrates.kubernetes.cold_image import Twin

CORE = "/api/v1"
LABEL, COPY = "vmlab.stack", "vmlab.copy"
_OWN = ("NONCE", "DRAIN_SECONDS")


@dataclass(frozen=True)
class Address:
    """How a client on this host reaches a Service."""

    type: str  # ClusterIP, NodePort or LoadBalancer
    node: str = ""  # a node's address, for NodePort

    def url(self, service: dict[str, Any]) -> str:
        """Where this Service is; "" while that is not known."""
        port = service["spec"]["ports"][0]
        if self.type == "NodePort":
            return f"http://{self.node}:{port['nodePort']}"
        if self.type == "LoadBalancer":
            found = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
            host = found[0].get("ip") or found[0].get("hostname")
            return f"http://{host}:{port['port']}" if host else ""
        return f"http://{service['spec']['clusterIP']}:{port['port']}"


@dataclass(frozen=True)
class Definition:
    """All that is needed to boot one copy."""

    choice: Choice
    namespace: str  # that of the copies
    template: dict[str, Any]
    address: Address
    twin: Twin | None = None  # a cold image, to be forgotten before each boot


@dataclass(frozen=True)
class Handle:
    """A pod, and the Service of the same name."""

    choice: Choice
    namespace: str
    name: str
    uid: str

    @property
    def pod(self) -> str:
        """The pod's path in the API."""
        return f"{CORE}/namespaces/{self.namespace}/pods/{self.name}"

    @property
    def service(self) -> str:
        """The Service's path in the API."""
        return f"{CORE}/namespaces/{self.namespace}/services/{self.name}"


def pod_of(template: dict[str, Any], name: str, nonce: str) -> dict[str, Any]:
    """The pod of a copy."""
    spec = copy.deepcopy(template["spec"])
    spec["restartPolicy"] = "Never"
    spec.pop("affinity", None)  # to pods of the stack, with which a copy shares no volume
    for volume in spec.get("volumes") or []:
        if volume.pop("persistentVolumeClaim", None):
            volume["emptyDir"] = {"sizeLimit": "64Mi"}
    container = spec["containers"][0]
    container.pop("lifecycle", None)
    kept = [row for row in container.get("env") or [] if row["name"] not in _OWN]
    container["env"] = [*kept, {"name": "NONCE", "value": nonce}, {"name": "DRAIN_SECONDS", "value": "0"}]
    labels = {LABEL: f"boot.{name}", COPY: name}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


def service_of(template: dict[str, Any], name: str, address: Address) -> dict[str, Any]:
    """The Service of a copy, at the port at which the service listens."""
    port = template["spec"]["containers"][0]["ports"][0]["containerPort"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {LABEL: f"boot.{name}", COPY: name}},
        "spec": {
            "type": address.type,
            "selector": {COPY: name},
            "ports": [{"port": port, "targetPort": port}],
        },
    }
