"""The Kubernetes substrate without a cluster: the objects of a copy, what a watch makes of what it sees, words of a cluster."""

from __future__ import annotations

import http.server
import json
import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from clients.kubernetes.access import KUBECONFIG, Choice

from clients.kubernetes import api
from clients.kubernetes.api import Api, ApiError
from machine.errors import InvalidInput, Unavailable
from substrates.contract import Request, Slot
from substrates.inputs import folder
from substrates.kubernetes import cluster as kubernetes_cluster
from substrates.kubernetes import copies, node
from substrates.kubernetes import substrate as kubernetes
from substrates.kubernetes.copies import Address
from substrates.kubernetes.watch import Watch

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


class Faulty(http.server.BaseHTTPRequestHandler):
    """An API server with a fault: no metrics API, or what a test puts into `answers`."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[dict[str, tuple[int, list[object]]]] = {}
    watched: ClassVar[threading.Semaphore] = threading.Semaphore(0)  # a watch has begun
    let_go: ClassVar[threading.Semaphore] = threading.Semaphore(0)  # its client has ended it
    gone: ClassVar[list[str]] = []  # what was deleted
    silence = 5.0  # before a watch tells of its one change

    def do_GET(self) -> None:
        if "watch=true" in self.path:
            self._watch()
            return
        status, lines = self.answers.get(self.path.partition("?")[0], (404, [{"message": "not found"}]))
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_DELETE(self) -> None:
        self.gone.append(self.path)
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def _watch(self) -> None:
        """Nothing changes for a while; then one thing does, unless the client has gone."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.watched.release()
        if select.select([self.connection], [], [], self.silence)[0]:
            self.let_go.release()
            return
        line = json.dumps({"type": "ADDED", "object": {"kind": "Pod"}}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(line), line))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Choice]:
    """The faulty one, by its kubeconfig."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faulty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Faulty.answers = {"/version": (200, [{"gitVersion": "v1.2.3"}])}
        Faulty.watched, Faulty.let_go = threading.Semaphore(0), threading.Semaphore(0)
        Faulty.gone = []
        row = {"name": "x", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
        contexts = [{"name": "x", "context": {"cluster": "x"}}]
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps({"current-context": "x", "contexts": contexts, "clusters": [row]}))
        yield Choice(path, ours=False)
        server.shutdown()


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


def test_cluster_without_metrics(cluster: Choice) -> None:
    """The autoscaler is said to be off where the metrics API is not there, and on where it is only away for now."""
    assert (
        kubernetes_cluster.look(cluster).autoscaler == "off: the cluster has no metrics API (metrics.k8s.io)"
    )
    Faulty.answers[kubernetes_cluster.METRICS] = (503, [{"message": "not now"}])
    assert kubernetes_cluster.look(cluster).autoscaler == "on"
    assert kubernetes_cluster.look(cluster).said == "v1.2.3"


def test_refusals_are_the_servers_words(cluster: Choice) -> None:
    """A refusal has the status and the message; what is not there is None to `look`, and gone to `delete`."""
    api = Api(cluster)
    Faulty.answers["/x"] = (403, [{"message": "exceeded quota"}])

    with pytest.raises(ApiError, match="exceeded quota") as raised:
        api.get("/x")
    assert raised.value.status == 403
    assert api.look("/nothing") is None


def test_nobody_answers(tmp_path: Path, cluster: Choice) -> None:
    """A named cluster that is away is refused, the lab's own is unavailable; both say where."""
    text = cluster.path.read_text()
    (tmp_path / "other").write_text(text.replace(text.partition("127.0.0.1:")[2].partition('"')[0], "9"))

    with pytest.raises(
        InvalidInput, match=r"points at http://127.0.0.1:9, which does not answer \(Connection refused\)"
    ):
        Api(Choice(tmp_path / "other", ours=False)).get("/version")
    with pytest.raises(Unavailable) as raised:
        Api(Choice(tmp_path / "other")).get("/version")
    assert raised.value.fix == "vmlab host up kubernetes"


def changes(*statuses: dict[str, Any]) -> list[dict[str, Any]]:
    """A watch's lines about one pod."""
    return [
        {"type": "MODIFIED", "object": {"kind": "Pod", "spec": {"nodeName": "node"}, "status": status}}
        for status in statuses
    ]


def test_watch(cluster: Choice) -> None:
    """Each thing is stamped when it is first seen, by the pod and by its events; what was said is kept."""
    ready = {"podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": "True"}]}
    pulled = {"kind": "Event", "reason": "Pulled", "message": "Container image already present"}
    listing: dict[str, Any] = {"metadata": {"resourceVersion": "7"}}
    before = time.monotonic_ns()
    Faulty.answers = {f"/api/v1/namespaces/n/{kind}": (200, [listing]) for kind in ("pods", "events")}

    class Told(Watch):
        """One whose two watches tell this."""

        def _follow(self, path: str, selector: str, version: str) -> None:
            events: list[dict[str, Any]] = [{"type": "ADDED", "object": pulled}]
            lines = changes({}, ready) if path.endswith("pods") else events
            for line in lines:
                self._note(time.monotonic_ns(), line["type"], line["object"])

    with Told(Api(cluster), "n", "pod", 1.0) as watch:
        assert watch.until("ready", before + int(5e9))
        assert watch.until("pulled", before + int(5e9))

    assert before < watch.stamps_ns["scheduled"] <= watch.stamps_ns["ready"]
    assert watch.said == ["Pulled: Container image already present"]


def test_watch_outlives_a_silence(cluster: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch without changes for longer than an answer may take goes on: the change that comes then is told."""
    monkeypatch.setattr(api, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(Faulty, "silence", 0.5)

    told = list(Api(cluster).watch("/api/v1/pods", 10.0))

    assert [change["type"] for change in told] == ["ADDED"]


def test_watch_ends_with_its_silence(cluster: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API server that does not end a watch when it should is not waited for."""
    monkeypatch.setattr(api, "SPARE_SECONDS", 0.1)
    started = time.monotonic()

    assert list(Api(cluster).watch("/api/v1/pods", 0.2)) == []
    assert time.monotonic() - started < 2


def test_watch_leaves_nothing(cluster: Choice) -> None:
    """After the `with` its connections are ended and its threads are gone, though nothing was told."""
    listing: dict[str, Any] = {"metadata": {"resourceVersion": "7"}}
    Faulty.answers = {f"/api/v1/namespaces/n/{kind}": (200, [listing]) for kind in ("pods", "events")}
    started = time.monotonic()

    with Watch(Api(cluster), "n", "pod", 60.0) as watch:
        for _ in range(2):
            assert Faulty.watched.acquire(timeout=2)

    assert [thread for thread in watch.threads if thread.is_alive()] == []
    for _ in range(2):
        assert Faulty.let_go.acquire(timeout=2)
    assert time.monotonic() - started < Faulty.silence - 1
    assert watch.said == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_boot_that_breaks_off(
    cluster: Choice, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Whatever ends a boot after its pod was made, pod and Service are removed, and the error is told."""
    ported = {"clusterIP": "127.0.0.1", "ports": [{"port": 9}]}
    Faulty.answers = {
        "/api/v1/namespaces/n/services": (201, [{"spec": ported}]),
        "/api/v1/namespaces/n/pods": (201, [{"metadata": {"uid": "u", "resourceVersion": "7"}}]),
        "/api/v1/namespaces/n/events": (200, [{"metadata": {"resourceVersion": "7"}}]),
    }
    definition = kubernetes.Definition(cluster, "n", TEMPLATE, Address("ClusterIP"))
    removed: list[int] = []

    def broken(watch: Watch, name: str, deadline_ns: int) -> bool:
        removed.append(len(Faulty.gone))
        raise error

    monkeypatch.setattr(Watch, "until", broken)

    with pytest.raises(error):
        kubernetes.boot(definition, Slot(1, 0), Request("/", "n", echoed=True))

    pod, service = "/api/v1/namespaces/n/pods/vmlab-boot-1", "/api/v1/namespaces/n/services/vmlab-boot-1"
    assert Faulty.gone[removed[0] :] == [pod, service]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"waiting": {"reason": "ErrImagePull", "message": "no such image"}}, "ErrImagePull: no such image"),
        ({"terminated": {"exitCode": 70}}, "the container ended with exit code 70"),
    ],
)
def test_watch_gives_up(cluster: Choice, state: dict[str, Any], said: str) -> None:
    """A pod that will never be ready is not waited for until the deadline."""
    watch = Watch(Api(cluster), "n", "pod", 1.0)
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
