"""Deployment, Service and autoscaler: how many pods there are, how they are replaced, and where they are reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes.arguments import ClusterArgs
from components.kubernetes.family import Family
from components.kubernetes.ground import Ground
from components.kubernetes.pod import milli
from components.spec import ServiceArgs
from machine.waiting import answer_seconds

APP = "service"
CALM_SECONDS = 15  # before it scales down; upstream's default of 5 minutes is longer than a lab's patience


def most_replicas(args: ServiceArgs) -> int:
    """The autoscaler's maximum."""
    return 2 * args.replicas + 1


def deployment(
    family: Family,
    ground: Ground,
    pod: dict[str, Any],
    revision: pulumi.Output[str],
    after: Sequence[pulumi.Resource],
) -> Any:
    """`replicas` is left to the autoscaler. An update makes the new pod first and takes the old one away when it is ready."""
    labels = family.selector(APP)
    spec = {
        "selector": {"matchLabels": labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "progressDeadlineSeconds": max(1, round(answer_seconds())),
        "revisionHistoryLimit": 2,
        "template": {
            "metadata": {
                "labels": labels | family.labels("deployment"),
                "annotations": {"vmlab.config-hash": revision},
            },
            "spec": pod,
        },
    }
    return family.make(
        k8s.apps.v1.Deployment, "deployment", namespace=ground.namespace, after=after, spec=spec
    )


def service(
    family: Family, ground: Ground, own: ClusterArgs, port: int, after: Sequence[pulumi.Resource]
) -> Any:
    """One address for all pods that are ready."""
    spec = {
        "type": own.expose,
        "selector": family.selector(APP),
        "ports": [{"name": "http", "port": port, "targetPort": "http"}],
    }
    return family.make(k8s.core.v1.Service, "service", namespace=ground.namespace, after=after, spec=spec)


def url_of(service: Any, own: ClusterArgs, port: int) -> pulumi.Output[str]:
    """Where a client on this host reaches it."""
    if own.expose == "NodePort":
        url = service.spec.apply(lambda spec: f"http://{own.node_address}:{spec['ports'][0]['node_port']}")
    elif own.expose == "LoadBalancer":
        url = service.status.apply(lambda status: f"http://{_ingress(status)}:{port}")
    else:
        url = service.spec.apply(lambda spec: f"http://{spec['cluster_ip']}:{port}")
    return pulumi.Output.from_input(url)


def autoscaler(family: Family, ground: Ground, args: ServiceArgs, deployment: Any) -> Any:
    """More pods when they use half of what each may; a half of the limit, because the request is unrelated to the load."""
    target = {"type": "AverageValue", "averageValue": milli(args.cpus / 2)}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.metadata.name},
        "minReplicas": args.replicas,
        "maxReplicas": most_replicas(args),
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": CALM_SECONDS}},
    }
    return family.make(
        k8s.autoscaling.v2.HorizontalPodAutoscaler, "autoscaler", namespace=ground.namespace, spec=spec
    )


def _ingress(status: Any) -> str:
    found = status["load_balancer"]["ingress"][0]
    return str(found.get("ip") or found["hostname"])
