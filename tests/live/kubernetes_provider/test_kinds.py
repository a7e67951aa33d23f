"""Every kind of the cluster, by discovery: common ones for real, custom ones, and what becomes of changes behind our back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from tests.live.kubernetes_provider.conftest import Lab

pytestmark = pytest.mark.live

NAMESPACED: dict[str, Any] = {
    "core/v1:ConfigMap": {"data": {"a": "1"}},
    "core/v1:ServiceAccount": {"automountServiceAccountToken": False},
    "core/v1:LimitRange": {"spec": {"limits": [{"type": "Container", "default": {"cpu": "1000m"}}]}},
    "core/v1:ResourceQuota": {"spec": {"hard": {"pods": "5", "requests.cpu": "1500m"}}},
    "batch/v1:CronJob": {
        "spec": {
            "schedule": "* * * * *",
            "suspend": True,
            "jobTemplate": {
                "spec": {
                    "template": {
                        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
                    }
                }
            },
        }
    },
    "autoscaling/v2:HorizontalPodAutoscaler": {
        "spec": {
            "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"},
        }
    },
    "networking.k8s.io/v1:NetworkPolicy": {"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}},
    "policy/v1:PodDisruptionBudget": {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}},
    "rbac.authorization.k8s.io/v1:Role": {
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    },
    "rbac.authorization.k8s.io/v1:RoleBinding": {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "default"}],
    },
    "coordination.k8s.io/v1:Lease": {"spec": {"holderIdentity": "me"}},
}


@pytest.mark.parametrize("type_", NAMESPACED)
def test_life_of_each_kind(lab: Lab, type_: str) -> None:
    """Previewed, made, unchanged by a refresh, without a difference to itself, relabelled, deleted and gone."""
    body = NAMESPACED[type_]
    news = {"metadata": lab.meta("one"), **body}
    urn = lab.engine.urn(type_, "one")
    assert lab.engine.preview(urn, news)["kind"] == type_.rpartition(":")[2]
    state = lab.make(type_, "one", body)
    lab.engine.refresh(state)
    assert not lab.engine.diff(state, news).diffs
    labels = {**lab.labels, "more": "yes"}
    changed = {"metadata": {**lab.meta("one"), "labels": labels}, **body}
    diff = lab.engine.diff(state, changed)
    assert (list(diff.diffs), list(diff.replaces)) == (["metadata"], [])
    lab.engine.update(state, changed)
    api_version = type_.rpartition(":")[0].removeprefix("core/")
    assert lab.get(api_version, state.outputs["kind"], "one")["metadata"]["labels"] == labels
    lab.engine.update(state, news)
    assert lab.get(api_version, state.outputs["kind"], "one")["metadata"]["labels"] == lab.labels
    lab.engine.delete(state, 60)
    assert lab.get(api_version, state.outputs["kind"], "one") is None


def test_volume_and_claim(lab: Lab) -> None:
    """A claim is ready when it is bound; a claim without a volume says so; their sizes are no difference to themselves."""
    name = lab.namespace
    volume = {
        "metadata": {"name": name, "labels": lab.labels},
        "spec": {
            "capacity": {"storage": "0.0625Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/tmp"},
            "storageClassName": name,
        },
    }
    persistent = lab.engine.create(lab.engine.urn("core/v1:PersistentVolume", "v"), volume)
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": name,
        "resources": {"requests": {"storage": "65536Ki"}},
    }
    claim = lab.make("core/v1:PersistentVolumeClaim", "c", {"spec": spec})
    assert claim.outputs["status"]["phase"] == "Bound"
    lab.engine.refresh(persistent)
    assert not lab.engine.diff(persistent, volume).diffs
    lab.engine.delete(claim, 60)
    lab.engine.delete(persistent, 60)


def test_custom_kind_of_the_same_run(new_lab: Callable[..., Lab]) -> None:
    """A definition and an object of it, one right after the other; without the definition the object counts as gone."""
    lab = new_lab()
    namespace = lab.start()
    group = f"{lab.namespace}.example.com"
    schema = {"type": "object", "x_kubernetes_preserve_unknown_fields": True}
    definition = {
        "metadata": {"name": f"things.{group}", "labels": lab.labels},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }
    crd = lab.engine.create(
        lab.engine.urn("apiextensions.k8s.io/v1:CustomResourceDefinition", "d"), definition
    )
    assert not lab.engine.diff(crd, definition).diffs
    thing = lab.make(
        f"{group}/v1:Thing", "one", {"apiVersion": f"{group}/v1", "kind": "Thing", "spec": {"size": 3}}
    )
    assert lab.get(f"{group}/v1", "Thing", "one")["spec"] == {"size": 3}
    lab.engine.update(thing, {"metadata": lab.meta("one"), "spec": {"size": 4}})
    assert lab.get(f"{group}/v1", "Thing", "one")["spec"] == {"size": 4}
    lab.engine.delete(crd, 60)
    assert not lab.engine.read(thing.urn, thing.id, thing.inputs, thing.outputs).id
    lab.engine.delete(thing)
    lab.engine.delete(namespace, 60)


def test_change_behind_our_back(new_lab: Callable[..., Lab]) -> None:
    """An edit is seen by refresh and repaired by an update with patchForce; without it the editor is named."""
    lab = new_lab()
    namespace = lab.start()
    state = lab.make("core/v1:ConfigMap", "m", {"data": {"a": "1"}})
    lab.by_hand(
        "PATCH", "v1", "ConfigMap", "m", {"data": {"a": "theirs"}, "metadata": {"labels": {"x": "y"}}}
    )
    lab.engine.refresh(state)
    assert state.inputs["data"] == {"a": "theirs"}
    news = {"metadata": lab.meta("m"), "data": {"a": "1"}}
    assert list(lab.engine.diff(state, news).diffs) == ["data"]
    with pytest.raises(grpc.RpcError, match='conflict with "kubectl-edit"'):
        lab.engine.update(state, news)
    forced = {"metadata": lab.meta("m", patchForce="true"), "data": {"a": "1"}}
    lab.engine.update(state, forced)
    live = lab.get("v1", "ConfigMap", "m")
    assert live["data"] == {"a": "1"}
    assert live["metadata"]["labels"]["x"] == "y", "what others added stays"
    lab.engine.delete(namespace, 60)


def test_loss_and_look_alike(lab: Lab) -> None:
    """A deleted object is gone for refresh; one that another user made instead is neither adopted, changed nor deleted."""
    state = lab.make("core/v1:ConfigMap", "m", {"data": {"a": "1"}})
    lab.by_hand("DELETE", "v1", "ConfigMap", "m")
    assert not lab.engine.read(state.urn, state.id, state.inputs, state.outputs).id
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"x": "y"}}
    lab.site.api.send("POST", f"/api/v1/namespaces/{lab.namespace}/configmaps", body=theirs)
    before = lab.get("v1", "ConfigMap", "m")
    assert not lab.engine.read(state.urn, state.id, state.inputs, state.outputs).id
    with pytest.raises(grpc.RpcError, match="exists already and is not this resource's"):
        lab.make("core/v1:ConfigMap", "m", {"data": {"a": "1"}})
    lab.engine.delete(state)
    assert lab.get("v1", "ConfigMap", "m") == before


def test_waiting_for_what_the_user_says(lab: Lab) -> None:
    """pulumi.com/waitFor holds a create back until its expression is true, and says what it is instead."""
    lab.make(
        "core/v1:ConfigMap",
        "yes",
        {"data": {"a": "1"}},
        waitFor='["jsonpath={.data.a}=1", "jsonpath={.metadata.uid}"]',
    )
    from tests.unit.engine.providers.kubernetes.driver import HalfMade

    with pytest.raises(HalfMade, match=r"waiting for {.data.a}=2; it is 1"):
        lab.make("core/v1:ConfigMap", "no", {"data": {"a": "1"}}, seconds=1, waitFor="jsonpath={.data.a}=2")


def test_bad_input_is_refused_by_the_preview(lab: Lab) -> None:
    """An unknown field, a bad value and an unknown kind are refused at once, and nothing is made."""
    started = time.monotonic()
    for body, says in (
        ({"spec": {"ports": [{"port": 1}], "sellector": {}}}, "sellector"),
        ({"spec": {"ports": [{"port": 99999}]}}, "between 1 and 65535"),
    ):
        with pytest.raises(grpc.RpcError, match=says):
            lab.engine.preview(lab.engine.urn("core/v1:Service"), {"metadata": lab.meta("s"), **body})
    (failure,) = lab.engine.check(lab.engine.urn("apps/v1:Nonsense"), {}).failures
    assert failure.reason == "the cluster knows no kind Nonsense of apps/v1"
    assert time.monotonic() - started < 5
    assert lab.get("v1", "Service", "s") is None
