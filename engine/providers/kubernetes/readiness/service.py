"""Service and Ingress: they have ready pods, and an address where one is expected.

A selector that matches no pod passes, after a while without change. Sooner than the official provider, which waits 10
s after the last change of any Service's endpoints: one with a ready endpoint and none pending is ready at once.
"""

from __future__ import annotations

from engine.providers.kubernetes.objects import inside, name_of, namespace_of
from engine.providers.kubernetes.readiness.view import READY, Verdict, View, first
from engine.providers.kubernetes.refusal import Plain

STILL_SECONDS = 10.0
SLICES = ("discovery.k8s.io/v1", "EndpointSlice")


def service(view: View, live: Plain) -> Verdict:
    """Its endpoints are ready; a load balancer has an address."""
    return first(_address(live), _endpoints(view, live))


def ingress(view: View, live: Plain) -> Verdict:
    """Each service that it names has an endpoint, and it has an address."""
    namespace = namespace_of(live)
    for backend in sorted(_backends(live)):
        found = view.look("v1", "Service", namespace, backend)
        if found is None:
            return Verdict(f"Service {namespace}/{backend}, which does not exist")
        external = inside(found, "spec", "type") == "ExternalName"
        if not external and not any(_counted(view, namespace, backend)):
            return Verdict(f"an endpoint of Service {namespace}/{backend}")
    has_address = inside(live, "status", "loadBalancer", "ingress")
    return READY if has_address else Verdict("an address from its controller")


def _address(live: Plain) -> Verdict:
    if inside(live, "spec", "type") != "LoadBalancer" or inside(live, "status", "loadBalancer", "ingress"):
        return READY
    return Verdict("an address from the load balancer")


def _endpoints(view: View, live: Plain) -> Verdict:
    spec = live.get("spec") or {}
    if not spec.get("selector") or spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName":
        return READY
    ready, pending = _counted(view, namespace_of(live), name_of(live))
    if pending:
        return Verdict(f"its endpoints: {pending} of {ready + pending} are not ready")
    if ready or view.still("endpoints", 0, STILL_SECONDS):
        return READY
    return Verdict("endpoints: its selector does not target any pods")


def _counted(view: View, namespace: str, name: str) -> tuple[int, int]:
    """Ready and pending endpoints; those of pods that end are neither."""
    slices = view.listed(*SLICES, namespace, labelSelector=f"kubernetes.io/service-name={name}")
    rows = [row.get("conditions") or {} for piece in slices for row in piece.get("endpoints") or []]
    pending = [row.get("ready") is False for row in rows if row.get("terminating") is not True]
    return pending.count(False), pending.count(True)


def _backends(live: Plain) -> set[str]:
    spec = live.get("spec") or {}
    found = {inside(spec, "defaultBackend", "service", "name")}
    for rule in spec.get("rules") or []:
        for path in inside(rule, "http", "paths", default=[]):
            found.add(inside(path, "backend", "service", "name"))
    return {name for name in found if name}
