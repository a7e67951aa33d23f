"""The Kubernetes substrate without a cluster: the objects of a copy, what a watch makes of what it sees, words of a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.kubernetes import api, connection
from clients.kubernetes.choice import KUBECONFIG, Choice, connect
from clients.kubernetes.errors import ApiError
from machine.errors import InvalidInput, Unavailable
from substrates.contract import Limits, Request, Slot
from substrates.inputs import folder
from substrates.kubernetes import cluster as kubernetes_cluster
from substrates.kubernetes import copies, node, reported
from substrates.kubernetes import substrate as kubernetes
from substrates.kubernetes.copies import Address
from substrates.kubernetes.watch import Watch
from tests.unit.clients.kubernetes.fake_api import FakeApi, Fault, kubeconfig

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "service"}, "annotations": {"vmlab.config-hash": "x"}},
    "spec": {
        "restartPolicy": "Always",
        "serviceAccountName": "me",
        "affinity": {"podAffinity": {}},
        "containers": [
            {
                "name": "service",
                "ports": [{"containerPort": 8080}],
                "lifecycle": {"preStop": {}},
                "env": [{"name": "NONCE", "value": "old"}, {"name": "KEPT", "value": "1"}],
            }
        ],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "claim"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    },
}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """An API server."""
    for name in ("VMLAB_KUBECONFIG", "VMLAB_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    server = FakeApi()
    yield server
    server.close()


@pytest.fixture
def cluster(fake: FakeApi, tmp_path: Path) -> Choice:
    """It, by its kubeconfig."""
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig(fake.url))
    return Choice(path, ours=False)


def test_pod_of_a_copy() -> None:
    """The template, with its own nonce and data, without draining, a second life, or the Deployment's labels."""
    pod = copies.pod_of(TEMPLATE, "vmlab-boot-1", "fresh")
    container = pod["spec"]["containers"][0]

    assert {row["name"]: row["value"] for row in container["env"]} == {
        "KEPT": "1",
        "NONCE": "fresh",
        "DRAIN_SECONDS": "0",
    }
    assert pod["spec"]["volumes"][0] == {"name": "data", "emptyDir": {"sizeLimit": "64Mi"}}
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["serviceAccountName"] == "me"
    assert "lifecycle" not in container
    assert "affinity" not in pod["spec"], "it may be on any node"
    assert pod["metadata"]["labels"] == {"vmlab.stack": "boot.vmlab-boot-1", "vmlab.copy": "vmlab-boot-1"}
    assert TEMPLATE["spec"]["restartPolicy"] == "Always", "the template itself is as it was"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (Address("ClusterIP"), "http://10.0.0.1:8080"),
        (Address("NodePort", "192.0.2.7"), "http://192.0.2.7:31000"),
        (Address("LoadBalancer"), "http://203.0.113.5:8080"),
    ],
)
def test_address_of_a_service(address: Address, url: str) -> None:
    """Each type of Service is reached in its own way."""
    found = copies.service_of(TEMPLATE, "vmlab-boot-1", address)
    assert found["spec"]["type"] == address.type
    assert found["spec"]["selector"] == {"vmlab.copy": "vmlab-boot-1"}
    found["spec"] |= {"clusterIP": "10.0.0.1", "ports": [{"port": 8080, "nodePort": 31000}]}
    found["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.5"}]}}

    assert address.url(found) == url


def test_load_balancer_without_an_address() -> None:
    """Its address is not known at once."""
    assert (
        Address("LoadBalancer").url({"spec": {"ports": [{"port": 80}]}, "status": {"loadBalancer": {}}}) == ""
    )


def test_cluster_without_metrics(fake: FakeApi, cluster: Choice) -> None:
    """The autoscaler is reported off where there is no metrics API, and on where it is only unavailable, without a wait."""
    assert (
        kubernetes_cluster.look(cluster).autoscaler == "off: the cluster has no metrics API (metrics.k8s.io)"
    )
    fake.faults = [Fault("GET", kubernetes_cluster.METRICS, status=503)]
    assert kubernetes_cluster.look(cluster).autoscaler == "on"
    assert fake.count("GET", kubernetes_cluster.METRICS) == 2
    assert kubernetes_cluster.look(cluster).description == "v1.2.3"


def test_refusals_are_the_servers_words(fake: FakeApi, cluster: Choice) -> None:
    """A refusal has the status and the message; an object that does not exist is None to `look`, and gone to `delete`."""
    api = connect(cluster)
    fake.faults = [Fault("GET", "/api/v1/pods", status=403, message="exceeded quota")]

    with pytest.raises(ApiError, match="exceeded quota") as raised:
        api.listed("/api/v1/pods")
    assert raised.value.status == 403
    assert api.look("/api/v1/namespaces/nothing") is None
    api.delete("/api/v1/namespaces/nothing")


def test_no_answer(tmp_path: Path) -> None:
    """A named cluster that does not answer is bad input, the lab's own is unavailable; both name the server."""
    path = tmp_path / "other"
    path.write_text(kubeconfig("http://127.0.0.1:9"))

    with pytest.raises(
        InvalidInput,
        match=r"points at http://127.0.0.1:9, which does not answer: Connection refused; next: give --kubeconfig",
    ):
        connect(Choice(path, ours=False)).get("/version")
    with pytest.raises(Unavailable) as raised:
        connect(Choice(path)).get("/version")
    assert raised.value.fix == "vmlab host up kubernetes"


def changes(*statuses: dict[str, Any]) -> list[dict[str, Any]]:
    """A watch's lines about one pod."""
    return [
        {"type": "MODIFIED", "object": {"kind": "Pod", "spec": {"nodeName": "node"}, "status": status}}
        for status in statuses
    ]


def test_watch(cluster: Choice) -> None:
    """Each thing is stamped when it is first seen, by the pod and by its events; the events are kept."""
    ready = {"podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": "True"}]}
    pulled = {"kind": "Event", "reason": "Pulled", "message": "Container image already present"}
    before = time.monotonic_ns()

    class Told(Watch):
        """One whose two watches tell this."""

        def _follow(self, path: str, selector: str, version: str) -> None:
            events: list[dict[str, Any]] = [{"type": "ADDED", "object": pulled}]
            lines = changes({}, ready) if path.endswith("pods") else events
            for line in lines:
                self._note(time.monotonic_ns(), line["type"], line["object"])

    with Told(connect(cluster), "n", "pod", 1.0) as watch:
        assert watch.until("ready", before + int(5e9))
        assert watch.until("pulled", before + int(5e9))

    assert before < watch.stamps_ns["scheduled"] <= watch.stamps_ns["ready"]
    assert watch.events == ["Pulled: Container image already present"]


def test_watch_outlives_a_silence(fake: FakeApi, cluster: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch without changes for longer than an answer may take continues: the change that comes then is reported."""
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.1)
    fake.silence_seconds = 0.5

    changes = list(connect(cluster).watch("/api/v1/pods", 10.0))

    assert [change["type"] for change in changes] == ["ADDED"]


def test_watch_ends_with_its_silence(cluster: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API server that does not end a watch when it should is not waited for."""
    monkeypatch.setattr(api, "SPARE_SECONDS", 0.1)
    started = time.monotonic()

    assert list(connect(cluster).watch("/api/v1/pods", 0.2)) == []
    assert time.monotonic() - started < 2


def test_watch_leaves_nothing(fake: FakeApi, cluster: Choice) -> None:
    """After the `with` its connections are ended and its threads are gone, though nothing was told."""
    started = time.monotonic()

    with Watch(connect(cluster), "n", "pod", 60.0) as watch:
        for _ in range(2):
            assert fake.watched.acquire(timeout=2)

    assert [thread for thread in watch.threads if thread.is_alive()] == []
    for _ in range(2):
        assert fake.let_go.acquire(timeout=2)
    assert time.monotonic() - started < fake.silence_seconds - 1
    assert watch.events == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted_boot(
    fake: FakeApi, cluster: Choice, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Whatever ends a boot after its pod was made, pod and Service are removed, and the error is told."""
    definition = copies.Definition(cluster, "n", TEMPLATE, Address("ClusterIP"))
    removed: list[int] = []

    def broken(watch: Watch, name: str, deadline_ns: int) -> bool:
        removed.append(len(fake.requests))
        raise error

    monkeypatch.setattr(Watch, "until", broken)

    with pytest.raises(error):
        kubernetes.boot(definition, Slot(1, 0), Request("/", "n", echoed=True))

    pod, service = "/api/v1/namespaces/n/pods/vmlab-boot-1", "/api/v1/namespaces/n/services/vmlab-boot-1"
    gone = [path for method, path in fake.requests[removed[0] :] if method == "DELETE"]
    assert gone == [pod, service]
    assert not [path for path in fake.objects if "vmlab-boot" in path]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"waiting": {"reason": "ErrImagePull", "message": "no such image"}}, "ErrImagePull: no such image"),
        ({"terminated": {"exitCode": 70}}, "the container ended with exit code 70"),
    ],
)
def test_watch_gives_up(cluster: Choice, state: dict[str, Any], said: str) -> None:
    """A pod that will never be ready is not waited for until the deadline."""
    watch = Watch(connect(cluster), "n", "pod", 1.0)
    watch._note(1, "MODIFIED", {"kind": "Pod", "status": {"containerStatuses": [{"state": state}]}})

    assert not watch.until("ready", time.monotonic_ns() + int(60e9))
    assert watch.trouble == said


def test_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the service's user's alone, keeps its data when it is made again, and a name cannot lead out of its place."""
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path))
    path = folder.make("vmlab-x")
    (path / "visits").write_text("\n")

    assert folder.make("vmlab-x") == path == folder.find("vmlab-x")
    assert path.stat().st_mode & 0o777 == 0o700
    assert folder.names() == ["vmlab-x"]
    assert (path / "visits").exists()
    folder.remove("vmlab-x")
    assert folder.find("vmlab-x") is None
    with pytest.raises(InvalidInput):
        folder.make("../etc")


def test_no_cluster_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no cluster of the lab's is up there is no fixed cost, rather than a zero."""
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path))

    assert node.fixed() == {}
    assert node.ready_seconds() is None
    assert node.processes("no-such-uid") == []


def test_time_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the bring-up noted is read; of another cluster than the lab's own neither that nor its programs are told."""
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path))
    noted = tmp_path / "run" / "cluster"
    noted.mkdir(parents=True)
    (noted / "ready.json").write_text('{"seconds": 4.6}')
    (noted / "kubeconfig").touch()

    assert kubernetes.ready_seconds() == 4.6
    monkeypatch.setenv(KUBECONFIG, str(tmp_path / "other"))
    (tmp_path / "other").touch()
    assert (kubernetes.ready_seconds(), kubernetes.fixed()) == (None, {})


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"cpu": "500m", "memory": "64Mi"}, Limits(0.5, 64 * 2**20, enforced=True)),
        ({"cpu": "2", "memory": "100M"}, Limits(2.0, 10**8, enforced=True)),
        ({"memory": "104857600"}, Limits(None, 104857600, enforced=False)),
        ({}, Limits(None, None, enforced=False)),
    ],
)
def test_limits_on_another_machine(given: dict[str, str], wanted: Limits) -> None:
    """They are those that its kubelet reports, in every form of a quantity; enforced only where both are set."""
    assert reported.limits({"resources": {"limits": given}}) == wanted
    assert node.limits("no-such-container") is None
