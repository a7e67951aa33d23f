"""Which rule a kind has, and how long it may take. A kind that is not here is ready as soon as it exists."""

from __future__ import annotations

import os
from dataclasses import dataclass

from engine.providers.kubernetes import objects
from engine.providers.kubernetes.readiness import expressions
from engine.providers.kubernetes.readiness.service import ingress, service
from engine.providers.kubernetes.readiness.storage import claim, quota, secret, volume
from engine.providers.kubernetes.readiness.view import Rule
from engine.providers.kubernetes.readiness.workloads import (
    daemon_set,
    deployment,
    job,
    pod,
    replication_controller,
    stateful_set,
)
from engine.providers.kubernetes.refusal import Plain

DEFAULT_SECONDS = 600.0


@dataclass(frozen=True)
class Awaited:
    """A rule and its time. `has_pods`: its pods may show why it is not met."""

    rule: Rule
    seconds: float = DEFAULT_SECONDS
    has_pods: bool = False


KINDS = {
    ("apps", "Deployment"): Awaited(deployment, has_pods=True),
    ("apps", "StatefulSet"): Awaited(stateful_set, has_pods=True),
    ("apps", "DaemonSet"): Awaited(daemon_set, has_pods=True),
    ("batch", "Job"): Awaited(job, has_pods=True),
    ("", "Pod"): Awaited(pod, has_pods=True),
    ("", "ReplicationController"): Awaited(replication_controller, has_pods=True),
    ("", "Service"): Awaited(service),
    ("networking.k8s.io", "Ingress"): Awaited(ingress),
    ("", "PersistentVolume"): Awaited(volume, seconds=300.0),
    ("", "PersistentVolumeClaim"): Awaited(claim, seconds=300.0),
    ("", "ResourceQuota"): Awaited(quota, seconds=60.0),
    ("", "Secret"): Awaited(secret, seconds=5.0),
}


def awaited(inputs: Plain) -> Awaited | None:
    """What to wait for with these inputs; None for nothing. The user's own rule replaces that of the kind."""
    if objects.is_set(inputs, objects.SKIP_AWAIT):
        return None
    group = str(inputs.get("apiVersion", "")).rpartition("/")[0]
    found = KINDS.get((group, str(inputs.get("kind"))))
    if wanted := objects.annotation(inputs, objects.WAIT_FOR):
        return Awaited(expressions.rule(wanted), has_pods=bool(found and found.has_pods))
    if found is None and os.environ.get("PULUMI_K8S_AWAIT_ALL") == "true":
        return Awaited(expressions.generic)
    return found
