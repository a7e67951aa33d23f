"""What controllers would do in a real cluster: a rollout, its pods, conditions, endpoints."""

from __future__ import annotations

from typing import Any

from engine.providers.kubernetes.readiness.workloads import REVISION
from tests.unit.clients.kubernetes.fake_api import FakeApi


def conditions(**found: str) -> Any:
    """Status conditions by type, `status:reason` each."""
    return [
        {"type": t, "status": s.partition(":")[0], "reason": s.partition(":")[2], "message": "words"}
        for t, s in found.items()
    ]


def rollout(fake: FakeApi, revision: str, ready: int, **more: Any) -> Any:
    """A Deployment with 2 replicas and its ReplicaSet."""
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "generation": 3,
            "annotations": {REVISION: revision},
        },
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, **more},
        "status": {"observedGeneration": 3},
    }
    live = fake.put(body)
    replicas = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"web-{revision}",
            "namespace": "default",
            "labels": {"app": "web"},
            "annotations": {REVISION: revision},
            "ownerReferences": [{"uid": live["metadata"]["uid"]}],
        },
        "status": {"readyReplicas": ready},
    }
    fake.put(replicas)
    return live


def crashing(fake: FakeApi, name: str, **status: Any) -> Any:
    """A pod of the ReplicaSet `web-1`."""
    owner = fake.objects["/apis/apps/v1/namespaces/default/replicasets/web-1"]["metadata"]["uid"]
    metadata = {
        "name": name,
        "namespace": "default",
        "labels": {"app": "web"},
        "ownerReferences": [{"uid": owner}],
    }
    return fake.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}, "status": status})
