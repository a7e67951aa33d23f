"""What kind of cluster it is: part of a stack's conditions, because it is not equal between substrates.

Out of scope: whether a network policy holds on another user's cluster, which only a packet can show.
"""

from __future__ import annotations

from dataclasses import dataclass

from clients.kubernetes.api import Api
from clients.kubernetes.choice import Choice, connect
from clients.kubernetes.errors import ApiError

METRICS = "/apis/metrics.k8s.io/v1beta1"


@dataclass(frozen=True)
class Cluster:
    """As sentences for people."""

    description: str
    autoscaler: str
    network_policy: str


def look(choice: Choice) -> Cluster:
    """Ask the API server; Unavailable or InvalidInput when it does not answer."""
    api = connect(choice)
    try:
        version = api.get("/version")["gitVersion"]
        return Cluster(
            description=f"the lab's own, {version}" if choice.ours else str(version),
            autoscaler="on" if has_metrics(api) else "off: the cluster has no metrics API (metrics.k8s.io)",
            network_policy="declared; not enforced: the bridge plugin knows none"
            if choice.ours
            else "declared; whether it is enforced depends on the cluster's network plugin",
        )
    finally:
        api.close()


def has_metrics(api: Api) -> bool:
    """Whether the cluster has the API that the autoscaler reads; one that is unavailable for now counts as present."""
    try:
        api.send("GET", METRICS, patience_seconds=0)
    except ApiError as error:
        return error.status != 404
    return True
