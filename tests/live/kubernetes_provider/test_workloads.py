"""Kinds that run pods: ready when they are, and in their own words why they are not."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable

import grpc
import pytest

from engine.values import Secret
from tests.live.kubernetes_provider.conftest import Lab
from tests.unit.engine.providers.kubernetes.driver import HalfMade

pytestmark = pytest.mark.live
FOREVER = ("sleep", "600")


def test_deployment_and_service(lab: Lab) -> None:
    """Both answer when every replica is ready, and a rollout is over when the new pods are."""
    web = ("httpd", "-f", "-p", "8080")
    probe = {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
    body = lab.workload(lab.pods(*web, **probe), replicas=2)
    deployment = lab.make("apps/v1:Deployment", "web", body)
    live = lab.get("apps/v1", "Deployment", "web")
    assert live["status"]["readyReplicas"] == 2
    started = time.monotonic()
    service = lab.make(
        "core/v1:Service", "web", {"spec": {"selector": {"app": "web"}, "ports": [{"port": 8080}]}}
    )
    assert time.monotonic() - started < 5, "a service with ready endpoints is ready at once"
    assert service.outputs["spec"]["clusterIP"]

    body = lab.workload(lab.pods(*web, **probe, env=[{"name": "A", "value": "2"}]), replicas=2)
    news = {"metadata": lab.meta("web"), **body}
    diff = lab.engine.diff(deployment, news)
    assert (list(diff.diffs), list(diff.replaces)) == (["spec"], [])
    lab.engine.update(deployment, news, 60)
    live = lab.get("apps/v1", "Deployment", "web")
    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert live["status"]["updatedReplicas"] == live["status"]["readyReplicas"] == 2
    assert not lab.engine.diff(deployment, news).diffs
    lab.engine.delete(service, 60)
    lab.engine.delete(deployment, 60)
    assert lab.get("apps/v1", "Deployment", "web") is None


def test_image_that_cannot_be_pulled(lab: Lab) -> None:
    """The object stays with the image's name and the reason; an update with a good one repairs it."""
    bad = lab.pods(*FOREVER)
    bad["containers"][0]["image"] = "127.0.0.1:5000/vmlab/no-such-image:1"
    with pytest.raises(HalfMade, match="no-such-image") as half:
        lab.make("apps/v1:Deployment", "web", lab.workload(bad), seconds=12)
    assert half.value.id == f"{lab.namespace}/web"
    assert "within 12 s" in half.value.reasons[0]
    assert any("ImagePull" in reason for reason in half.value.reasons)


def test_pod_that_crashes(lab: Lab) -> None:
    """Exit code and last words are told, a secret in them masked, and the deadline of Kubernetes itself ends the wait."""
    lab.engine.check(lab.engine.urn("core/v1:Secret"), {"stringData": {"key": "correct-horse"}})
    pod = lab.pods("sh", "-c", "echo the key is correct-horse; echo no such table >&2; exit 3")
    started = time.monotonic()
    with pytest.raises(HalfMade, match="ended with exit code 3") as half:
        lab.make("apps/v1:Deployment", "web", lab.workload(pod, progressDeadlineSeconds=8), seconds=120)
    assert time.monotonic() - started < 60
    assert "Kubernetes gave up" in half.value.reasons[0]
    said = "\n".join(half.value.reasons)
    assert "    no such table" in said
    assert "the key is [secret]" in said


def test_quota_and_pod_security_are_told(new_lab: Callable[..., Lab]) -> None:
    """A pod too many and a pod too privileged are reasons in the cluster's own words."""
    lab = new_lab()
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": lab.namespace, "labels": lab.labels | restricted}
    namespace = lab.engine.create(lab.engine.urn("core/v1:Namespace", "ns"), {"metadata": metadata})
    lab.make("core/v1:ResourceQuota", "q", {"spec": {"hard": {"pods": "0"}}})
    with pytest.raises(HalfMade, match="violates PodSecurity"):
        lab.make("apps/v1:Deployment", "bad", lab.workload(lab.pods(*FOREVER), "bad"), seconds=5)
    confined = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65532,
    }
    container = {
        "name": "c",
        "image": lab.image,
        "securityContext": confined | {"seccompProfile": {"type": "RuntimeDefault"}},
    }
    with pytest.raises(HalfMade, match="exceeded quota"):
        lab.make("apps/v1:Deployment", "many", lab.workload({"containers": [container]}, "many"), seconds=5)
    lab.engine.delete(namespace, 60)


def test_jobs(lab: Lab) -> None:
    """A job is waited for to its end; one that fails is told at once with its log."""
    done = lab.pods("echo", "hello") | {"restartPolicy": "Never"}
    state = lab.make("batch/v1:Job", "good", {"spec": {"template": {"spec": done}}})
    assert state.outputs["status"]["succeeded"] == 1
    broken = lab.pods("sh", "-c", "echo broken pipe; exit 4") | {"restartPolicy": "Never"}
    started = time.monotonic()
    with pytest.raises(HalfMade, match="BackoffLimitExceeded") as half:
        lab.make(
            "batch/v1:Job", "bad", {"spec": {"backoffLimit": 0, "template": {"spec": broken}}}, seconds=120
        )
    assert time.monotonic() - started < 60
    assert "    broken pipe" in "\n".join(half.value.reasons)
    again = {
        "metadata": lab.meta("good"),
        "spec": {"template": {"spec": done | {"terminationGracePeriodSeconds": 1}}},
    }
    diff = lab.engine.diff(state, again)
    assert diff.deleteBeforeReplace
    assert list(diff.replaces) == ["spec.template.spec.terminationGracePeriodSeconds"]


def test_pod_stateful_set_and_daemon_set(lab: Lab) -> None:
    """Each is ready when all its pods are; a bare pod goes with its grace period."""
    pod = lab.make("core/v1:Pod", "bare", {"spec": lab.pods(*FOREVER)})
    assert pod.outputs["status"]["phase"] == "Running"
    lab.make(
        "apps/v1:StatefulSet", "set", lab.workload(lab.pods(*FOREVER), "set", serviceName="set", replicas=2)
    )
    lab.make("apps/v1:DaemonSet", "each", lab.workload(lab.pods(*FOREVER), "each"))
    assert lab.get("v1", "Pod", "set-1")["status"]["phase"] == "Running"
    assert lab.get("apps/v1", "DaemonSet", "each")["status"]["numberReady"] == 1
    never = {"readinessProbe": {"exec": {"command": ["/busybox", "false"]}}}
    with pytest.raises(HalfMade, match="it failed"):
        lab.make("core/v1:Pod", "ends", {"spec": lab.pods("false", **never) | {"restartPolicy": "Never"}})


def test_cancel_while_waiting(lab: Lab) -> None:
    """Broken off, the object is answered as half-made, at once."""
    from google.protobuf import empty_pb2

    timer = threading.Timer(1, lambda: lab.engine.stub.Cancel(empty_pb2.Empty()))
    timer.start()
    started = time.monotonic()
    with pytest.raises(HalfMade, match="cancelled"):
        lab.make("core/v1:Service", "none", {"spec": {"selector": {"app": "none"}, "ports": [{"port": 1}]}})
    assert time.monotonic() - started < 3
    timer.join()
    lab.engine.configure()


def test_secret_that_changes_in_place(new_lab: Callable[..., Lab]) -> None:
    """With enableSecretMutable a new value comes and a dropped key goes; a foreign edit is seen, named, and not overwritten."""
    lab = new_lab(enableSecretMutable="true")
    namespace = lab.start()
    state = lab.make("core/v1:Secret", "s", {"stringData": {"a": "1111", "b": "2222"}})
    news = {"metadata": lab.meta("s"), "stringData": {"a": "3333"}}
    assert not lab.engine.diff(state, news).replaces
    lab.engine.update(state, news)
    assert lab.get("v1", "Secret", "s")["data"] == {"a": base64.b64encode(b"3333").decode()}
    lab.by_hand("PATCH", "v1", "Secret", "s", {"data": {"a": base64.b64encode(b"theirs").decode()}})
    lab.engine.refresh(state)
    assert state.inputs["stringData"] == Secret({"a": "theirs"})
    with pytest.raises(grpc.RpcError, match='conflict with "kubectl-edit"'):
        lab.engine.update(state, news)
    lab.engine.delete(namespace, 60)


def test_secret_reaches_the_pod_and_nothing_else(lab: Lab) -> None:
    """Its value is in the cluster's data and sealed in everything the provider answers."""
    state = lab.make("core/v1:Secret", "s", {"stringData": {"key": "open-sesame"}})
    assert base64.b64decode(lab.get("v1", "Secret", "s")["data"]["key"]) == b"open-sesame"
    assert isinstance(state.outputs["data"], Secret)
    assert isinstance(state.outputs["__inputs"]["stringData"], Secret)
    lab.engine.refresh(state)
    assert isinstance(state.outputs["data"], Secret)
    assert isinstance(state.inputs["stringData"], Secret)
    assert not lab.engine.diff(state, {"metadata": lab.meta("s"), "stringData": {"key": "open-sesame"}}).diffs
