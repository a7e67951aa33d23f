"""Each kind's rule: when it is ready, what it waits for, when there is no hope, and what its pods say."""

from __future__ import annotations

import threading
from typing import Any

import grpc
import pytest

from engine.providers.kubernetes.readiness import (
    expressions,
    service,
    storage,
    table,
    workloads,
)
from engine.providers.kubernetes.readiness.view import View, selector_text
from tests.unit.clients.kubernetes.fake_api import FakeApi, Fault
from tests.unit.engine.providers.kubernetes.driver import Engine, HalfMade
from tests.unit.engine.providers.kubernetes.staging import conditions, rollout


def test_deployment_by_its_conditions(view: View, fake: FakeApi) -> None:
    """Seen, pods ready, available, rolled out, claims bound; each that is missing is what it waits for."""
    available = conditions(Available="True")
    live = rollout(fake, "1", 2)
    live["status"] = {"observedGeneration": 2}
    assert workloads.deployment(view, live).waiting_for == "its controller to see the change"
    live = rollout(fake, "1", 1)
    assert workloads.deployment(view, live).waiting_for == "its pods: 1 of 2 are ready"
    live = rollout(fake, "1", 2)
    assert workloads.deployment(view, live).waiting_for == "enough pods to be available"
    live["status"]["conditions"] = available
    assert workloads.deployment(view, live).ready
    live = rollout(fake, "2", 1)
    assert workloads.deployment(view, live).waiting_for == "its pods: 1 of 2 are ready", (
        "those of revision 1 do not count"
    )
    live = rollout(fake, "2", 2)
    live["status"]["conditions"] = available + conditions(Progressing="True:ReplicaSetUpdated")
    assert "the rollout of revision 2" in workloads.deployment(view, live).waiting_for
    live["status"]["conditions"] = available + conditions(Progressing="True:NewReplicaSetAvailable")
    assert workloads.deployment(view, live).ready
    live["status"]["conditions"] = conditions(Progressing="False:ProgressDeadlineExceeded")
    assert workloads.deployment(view, live).hopeless


def test_deployment_waits_for_its_claims(view: View, fake: FakeApi) -> None:
    """A claim that is not bound is named."""
    volumes = [{"persistentVolumeClaim": {"claimName": "data"}}, {"emptyDir": {}}]
    live = rollout(fake, "1", 2, template={"spec": {"volumes": volumes}})
    live["status"]["conditions"] = conditions(Available="True")
    assert (
        "PersistentVolumeClaim data of web, which is absent" in workloads.deployment(view, live).waiting_for
    )
    metadata = {"name": "data", "namespace": "default"}
    fake.put(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata,
            "status": {"phase": "Bound"},
        }
    )
    assert workloads.deployment(view, live).ready


@pytest.mark.parametrize(
    ("rule", "spec", "status", "waits"),
    [
        (workloads.stateful_set, {"replicas": 2}, {"replicas": 2, "readyReplicas": 1}, "readyReplicas is 1 of 2"),
        (workloads.stateful_set, {"replicas": 1}, {"replicas": 1, "readyReplicas": 1, "currentReplicas": 1}, ""),
        (
            workloads.stateful_set,
            {"replicas": 1},
            {"replicas": 1, "readyReplicas": 1, "currentReplicas": 1, "updateRevision": "b", "currentRevision": "a"},
            "the rollout of revision b",
        ),
        (
            workloads.stateful_set,
            {"replicas": 1, "updateStrategy": {"type": "OnDelete"}},
            {"replicas": 1, "readyReplicas": 1, "updateRevision": "b", "currentRevision": "a"},
            "",
        ),
        (workloads.stateful_set, {}, {"observedGeneration": 0}, "its controller"),
        (workloads.daemon_set, {}, {"desiredNumberScheduled": 2, "currentNumberScheduled": 1}, "1 of 2"),
        (workloads.daemon_set, {}, {"desiredNumberScheduled": 0}, ""),
        (workloads.replication_controller, {"replicas": 2}, {"fullyLabeledReplicas": 2}, ""),
        (workloads.job, {}, {"active": 1}, "its end: 1 active, 0 succeeded, 0 failed"),
        (workloads.job, {}, {"conditions": conditions(Complete="True")}, ""),
        (workloads.job, {"suspend": True}, {}, ""),
        (workloads.pod, {}, {"phase": "Succeeded"}, ""),
        (workloads.pod, {}, {"conditions": conditions(PodScheduled="False:Unschedulable")}, "PodScheduled: words"),
        (workloads.pod, {}, {"conditions": conditions(PodScheduled="True", Initialized="True", Ready="True")}, ""),
        (storage.volume, {}, {"phase": "Available"}, ""),
        (storage.volume, {}, {"phase": "Failed"}, "it is Failed"),
        (storage.quota, {"hard": {"cpu": "1"}}, {"hard": {"cpu": "1000m"}}, ""),
        (storage.quota, {"hard": {"cpu": "1"}}, {}, "take over the limits"),
        (service.service, {"type": "LoadBalancer"}, {}, "an address from the load balancer"),
        (service.service, {"selector": {"a": "b"}, "clusterIP": "None"}, {}, ""),
        (service.service, {"type": "ExternalName", "selector": {"a": "b"}}, {}, ""),
    ],
)  # fmt: skip
def test_rules(view: View, rule: Any, spec: Any, status: Any, waits: str) -> None:
    """A state, and what it waits for; nothing when it is ready."""
    generation = 1 if "observedGeneration" in status else 0
    live = {
        "kind": "X",
        "metadata": {"name": "x", "namespace": "default", "generation": generation},
        "spec": spec,
        "status": status,
    }
    verdict = rule(view, live)
    assert waits in verdict.waiting_for
    assert verdict.ready is not bool(waits)


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (workloads.job, {"conditions": conditions(Failed="True:BackoffLimitExceeded")}),
        (workloads.pod, {"phase": "Failed", "message": "evicted"}),
        (storage.claim, {"phase": "Lost"}),
    ],
)
def test_no_hope(view: View, rule: Any, status: Any) -> None:
    """What has failed for good is not waited for."""
    assert rule(view, {"metadata": {"name": "x", "namespace": "default"}, "status": status}).hopeless


def test_claim_whose_class_binds_late(view: View, fake: FakeApi) -> None:
    """Pending is ready where the class waits for the first pod, named or the default one."""
    late = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    fake.put({**late, "metadata": {"name": "late", "annotations": default}})
    fake.put({**late, "metadata": {"name": "soon"}, "volumeBindingMode": "Immediate"})
    for name, ready in ((None, True), ("late", True), ("soon", False), ("", False), ("none", False)):
        live = {"spec": {} if name is None else {"storageClassName": name}, "status": {"phase": "Pending"}}
        assert storage.claim(view, live).ready is ready, name


def slices(fake: FakeApi, *ready: bool, terminating: bool = False) -> None:
    """The endpoints of the service `web`."""
    metadata = {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}}
    endpoints = [{"conditions": {"ready": value, "terminating": terminating}} for value in ready]
    fake.put(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "endpoints": endpoints,
        }
    )


def test_service_by_its_endpoints(view: View, fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ready endpoints at once, pending ones never, none after a while; pods that end do not count."""
    live = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"a": "b"}}}
    assert "does not target any pods" in service.service(view, live).waiting_for
    slices(fake, True, False)
    assert service.service(view, live).waiting_for == "its endpoints: 1 of 2 are not ready"
    slices(fake, True, True)
    assert service.service(view, live).ready
    slices(fake, False, terminating=True)
    assert not service.service(view, live).ready
    monkeypatch.setattr(service, "STILL_SECONDS", 0.0)
    assert service.service(view, live).ready
    assert service.service(View(view.site, instant=True), live).ready


def test_ingress(view: View, fake: FakeApi) -> None:
    """Each backend exists and has an endpoint, and there is an address."""
    backend = {"backend": {"service": {"name": "web"}}}
    live: Any = {
        "metadata": {"name": "i", "namespace": "default"},
        "spec": {"rules": [{"http": {"paths": [backend]}}]},
    }
    assert "Service default/web, which does not exist" in service.ingress(view, live).waiting_for
    fake.put(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {},
        }
    )
    assert "an endpoint of Service default/web" in service.ingress(view, live).waiting_for
    slices(fake, True)
    assert "an address from its controller" in service.ingress(view, live).waiting_for
    assert service.ingress(
        view, {**live, "status": {"loadBalancer": {"ingress": [{"ip": "198.18.3.1"}]}}}
    ).ready


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        ("jsonpath={.status.phase}=Running", True),
        ("jsonpath={.status.phase}=Failed", False),
        ("jsonpath={.status.absent}", False),
        ("jsonpath={.status.list[1].name}=b", True),
        ("jsonpath={.status['phase']}='Running'", True),
        ("jsonpath={.status.number}=3", True),
        ("condition=Ready", True),
        ("condition=Ready=false", False),
        ('["condition=Ready", "jsonpath={.status.phase}=Failed"]', False),
        ('["condition=Ready", "jsonpath={.status.number}"]', True),
    ],
)
def test_expressions(view: View, text: str, ready: bool) -> None:
    """What `kubectl wait --for` takes, one or all of several."""
    status = {
        "phase": "Running",
        "number": 3,
        "list": [{"name": "a"}, {"name": "b"}],
        "conditions": conditions(Ready="True"),
    }
    assert expressions.rule(text)(view, {"status": status}).ready is ready


def test_what_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's rule replaces the kind's, skipAwait both; other kinds only with PULUMI_K8S_AWAIT_ALL."""

    def thing(kind: str, version: str = "v1", **notes: str) -> Any:
        annotations = {f"pulumi.com/{key}": value for key, value in notes.items()}
        return {"apiVersion": version, "kind": kind, "metadata": {"annotations": annotations}}

    assert table.awaited(thing("Namespace")) is None
    assert table.awaited(thing("Pod", skipAwait="true")) is None
    found = table.awaited(thing("Pod", waitFor="condition=X"))
    assert found is not None
    assert found.rule is not workloads.pod
    assert found.has_pods
    monkeypatch.setenv("PULUMI_K8S_AWAIT_ALL", "true")
    found = table.awaited(thing("Thing", "lab.example.com/v1"))
    assert found is not None
    assert found.rule is expressions.generic


def test_wait_survives_the_servers_restart(engine: Engine, fake: FakeApi) -> None:
    """Connections that are cut while waiting are no reason to give up."""
    path = "/api/v1/namespaces/default/pods/p"
    ready = conditions(PodScheduled="True", Initialized="True", Ready="True")
    faults = [Fault("GET", path, status=0, times=3), Fault("GET", path, status=503, times=2)]

    def restart() -> None:
        fake.faults = faults
        fake.status(path, phase="Running", conditions=ready)

    timer = threading.Timer(0.7, restart)
    timer.start()
    state = engine.create(engine.urn("core/v1:Pod"), {"metadata": {"name": "p"}, "spec": {}}, 20)
    timer.join()
    assert [fault.times for fault in faults] == [0, 0]
    assert state.outputs["status"]["phase"] == "Running"


def test_object_deleted_while_waiting(engine: Engine, fake: FakeApi) -> None:
    """Somebody deletes it meanwhile: said at once."""
    timer = threading.Timer(0.4, lambda: fake.objects.pop("/api/v1/namespaces/default/pods/p"))
    timer.start()
    with pytest.raises(HalfMade, match="it was deleted meanwhile"):
        engine.create(engine.urn("core/v1:Pod"), {"metadata": {"name": "p"}, "spec": {}})
    timer.join()


def test_time_of_the_annotation_and_warnings(engine: Engine, fake: FakeApi) -> None:
    """timeoutSeconds counts, and the server's warnings are among the reasons; refresh tells the same at once."""
    fake.warning = "would violate PodSecurity"
    metadata = {"name": "p", "annotations": {"pulumi.com/timeoutSeconds": "1"}}
    with pytest.raises(HalfMade) as half:
        engine.create(engine.urn("core/v1:Pod"), {"metadata": metadata, "spec": {}})
    assert half.value.reasons[0].startswith(
        "Pod default/p is not ready within 1 s: waiting for the condition PodScheduled"
    )
    assert half.value.reasons[-1] == "would violate PodSecurity"
    inputs = half.value.inputs
    with pytest.raises(HalfMade, match="is not ready: waiting for the condition"):
        engine.read(engine.urn("core/v1:Pod"), "default/p", inputs, half.value.outputs)
    assert engine.read(engine.urn("core/v1:Pod"), "default/p", inputs).id, "an import does not judge"


def test_selectors() -> None:
    """Labels and expressions as the API's query has them."""
    rows = [
        {"key": "a", "operator": "In", "values": ["1", "2"]},
        {"key": "b", "operator": "NotIn", "values": ["3"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    assert (
        selector_text({"matchLabels": {"x": "y"}, "matchExpressions": rows})
        == "x=y,a in (1,2),b notin (3),c,!d"
    )


def test_kind_that_only_can_be_created(engine: Engine) -> None:
    """A review is no object that can be managed."""
    with pytest.raises(grpc.RpcError, match=r"TokenReview of authentication.k8s.io/v1 cannot be managed"):
        engine.create(engine.urn("authentication.k8s.io/v1:TokenReview"), {"spec": {}})
