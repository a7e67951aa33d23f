"""Programs of `pulumi_kubernetes` run by the engine, against a small API server that can be told to misbehave."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from engine.values import Secret, without_secrets
from tests.engine.harness import Project
from tests.unit.clients.kubernetes.fake_api import FakeApi, Fault, kubeconfig

pytest.importorskip("pulumi_kubernetes")
HEAD = ("import os", "import pulumi", "import pulumi_kubernetes as k8s")
MAPS = "/api/v1/namespaces/lab/configmaps"


@pytest.fixture
def cluster(project: Project) -> Iterator[FakeApi]:
    """An API server with the namespace `lab`, and its kubeconfig in the environment of the project's commands."""
    server = FakeApi()
    server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lab"}})
    path = project.root / "kubeconfig"
    path.write_text(kubeconfig(server.url))
    for name in list(project.environment):
        if name.startswith("KUBERNETES_"):
            del project.environment[name]
    project.environment["KUBECONFIG"] = str(path)
    yield server
    server.close()


def maps(project: Project, data: str, name: str = "") -> None:
    """A program with one ConfigMap in `lab`."""
    given = f"'name': '{name}', " if name else ""
    project.program(
        *HEAD,
        f"made = k8s.core.v1.ConfigMap('made', metadata={{{given}'namespace': 'lab'}}, data={data})",
        "export('name', made.metadata.name)",
    )


def test_life(project: Project, cluster: FakeApi) -> None:
    """Preview, up, up again, edit, loss, refresh, up, destroy: each does what it says and no more."""
    maps(project, "{'a': '1'}", "fixed")
    assert project.preview().steps == ["create made"]
    assert f"{MAPS}/fixed" not in cluster.objects
    assert project.up().changes == {"create": 1}
    assert project.up("--expect-no-changes").changes == {}
    assert project.resource("made").id == "lab/fixed"
    cluster.put({**cluster.objects[f"{MAPS}/fixed"], "data": {"a": "theirs"}}, manager="")
    assert project.refresh().changes == {"update": 1}
    assert project.preview().changes == {"replace": 1}
    del cluster.objects[f"{MAPS}/fixed"]
    assert project.refresh().changes == {"delete": 1}
    assert project.up().changes == {"create": 1}
    assert cluster.objects[f"{MAPS}/fixed"]["data"] == {"a": "1"}
    assert project.destroy().changes == {"delete": 1}
    assert f"{MAPS}/fixed" not in cluster.objects


def test_replacement_by_name(project: Project, cluster: FakeApi) -> None:
    """An automatic name lets the new one come first; a fixed name makes the old one go first."""
    maps(project, "{'a': '1'}")
    project.up()
    first = project.resource("made").id
    maps(project, "{'a': '2'}")
    project.up()
    second = project.resource("made").id
    assert first != second
    order = [
        (m, p.partition("?")[0])
        for m, p in cluster.requests
        if m in ("PATCH", "DELETE") and "dryRun" not in p
    ]
    assert [method for method, _ in order] == ["PATCH", "PATCH", "DELETE"]
    assert [path for path in cluster.objects if path.startswith(MAPS)] == [
        f"{MAPS}/{second.rpartition('/')[2]}"
    ]

    maps(project, "{'a': '2'}", "fixed")
    project.up()
    cluster.requests.clear()
    maps(project, "{'a': '3'}", "fixed")
    project.run("up", "--json")  # with its preview, which meets the old one
    methods = [m for m, p in cluster.requests if m in ("PATCH", "DELETE") and "dryRun" not in p]
    assert methods == ["DELETE", "PATCH"]


def test_explicit_provider_and_secret(project: Project, cluster: FakeApi) -> None:
    """A Provider with a kubeconfig's text and a namespace; a Secret's value is encrypted in the state wherever it is."""
    text = project.environment.pop("KUBECONFIG")
    project.program(
        *HEAD,
        f"text = open({text!r}).read()",
        "there = k8s.Provider('there', kubeconfig=text, namespace='lab', enable_patch_force=True)",
        f"token = {project.canary!r}",
        "opts = pulumi.ResourceOptions(provider=there)",
        "secret = k8s.core.v1.Secret('secret', string_data={'token': token}, opts=opts)",
        "k8s.core.v1.ConfigMap('map', data={'token': pulumi.Output.secret(token), 'of': secret.metadata.name}, opts=opts)",
    )
    run = project.run("up", "--json")
    assert project.canary not in run.out + run.err
    secret = project.resource("secret")
    assert secret.id.startswith("lab/secret-")
    assert isinstance(secret.outputs["data"], Secret)
    assert without_secrets(secret.inputs["stringData"]) == {"token": project.canary}
    assert project.up("--expect-no-changes").changes == {}
    project.destroy()


def test_kubeconfig_that_points_nowhere(project: Project, cluster: FakeApi) -> None:
    """One clear line and exit code 2, before anything is created."""
    path = project.root / "kubeconfig"
    path.write_text(kubeconfig("https://127.0.0.1:1"))
    maps(project, "{}")
    run = project.preview(code=2)
    assert (
        f"kubeconfig {path} points at https://127.0.0.1:1, which does not answer: Connection refused"
        in run.error
    )
    path.unlink()
    assert "does not exist" in project.preview(code=2).error


def test_lost_cluster(project: Project, cluster: FakeApi) -> None:
    """Destroy without the cluster fails and keeps the state; with deleteUnreachable the state is emptied."""
    maps(project, "{}", "fixed")
    project.up()
    path = project.root / "kubeconfig"
    path.write_text(kubeconfig("https://127.0.0.1:1"))
    assert "PULUMI_K8S_DELETE_UNREACHABLE=true forgets" in project.destroy(code=1).error
    assert project.names() == ["made"]
    path.unlink()
    assert "does not exist" in project.destroy(code=1).error
    project.environment["PULUMI_K8S_DELETE_UNREACHABLE"] = "true"
    project.destroy()
    assert project.names() == []


def test_engine_killed_while_creating(project: Project, cluster: FakeApi) -> None:
    """What was made while the engine died is found by the next run and adopted, not made twice."""
    maps(project, "{'a': '1'}")
    cluster.faults = [Fault("PATCH", MAPS, status=200, seconds=1.0)]
    child = project.start("up", "--skip-preview", "--json")
    deadline = time.monotonic() + 20
    while not any(path.startswith(MAPS) for path in cluster.objects):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    project.end(child)
    assert project.pending() == ["creating made"]
    project.up()
    assert len([path for path in cluster.objects if path.startswith(MAPS)]) == 1
    assert project.up("--expect-no-changes").changes == {}


def test_not_ready_is_kept_and_tried_again(project: Project, cluster: FakeApi) -> None:
    """A Deployment that does not get ready stays in the state with its reasons; the next up waits again."""
    project.program(
        *HEAD,
        "labels = {'app': 'web'}",
        "pod = {'metadata': {'labels': labels}, 'spec': {'containers': [{'name': 'c', 'image': 'x'}]}}",
        "spec = {'selector': {'match_labels': labels}, 'template': pod}",
        "opts = pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create='1s', update='5s'))",
        "k8s.apps.v1.Deployment('web', metadata={'name': 'web', 'namespace': 'lab'}, spec=spec, opts=opts)",
    )
    run = project.up(code=1)
    assert (
        "was created but did not become ready:\n  - Deployment lab/web is not ready within 1 s" in run.error
    )
    assert project.resource("web").init_errors
    path = "/apis/apps/v1/namespaces/lab/deployments/web"
    owner = cluster.objects[path]["metadata"]["uid"]
    revision = {"deployment.kubernetes.io/revision": "1"}
    cluster.put(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": "web-1",
                "namespace": "lab",
                "labels": {"app": "web"},
                "annotations": revision,
                "ownerReferences": [{"uid": owner}],
            },
            "status": {"readyReplicas": 1},
        }
    )
    cluster.objects[path]["metadata"]["annotations"] = revision
    cluster.status(path, observedGeneration=9, conditions=[{"type": "Available", "status": "True"}])
    assert project.up().changes == {"update": 1}
    assert project.resource("web").init_errors == []
    project.destroy()


def test_what_is_left_out_is_refused_by_name(project: Project, cluster: FakeApi) -> None:
    """Helm, YAML and patches are refused before anything is created."""
    for line, says in (
        (
            "k8s.helm.v3.Release('x', chart='nginx')",
            "helm.sh/v3:Release is not implemented: Helm, Kustomize and YAML",
        ),
        (
            "k8s.core.v1.ConfigMapPatch('x', metadata={'name': 'y'})",
            "import the ConfigMap with the option import_",
        ),
        ("k8s.core.v1.ConfigMapList('x', items=[])", "lists are not supported; declare each ConfigMap"),
        ("k8s.Provider('x', render_yaml_to_directory='y')", "renderYamlToDirectory is not implemented"),
    ):
        project.program(*HEAD, line)
        assert says in project.preview(code=2).error


def test_another_cluster_replaces_everything(project: Project, cluster: FakeApi) -> None:
    """When the active cluster changes, its objects are made on the new one and removed from the old one."""
    other = FakeApi()
    try:
        for server in (cluster, other):
            project.program(
                *HEAD,
                f"there = k8s.Provider('there', kubeconfig={kubeconfig(server.url)!r})",
                "opts = pulumi.ResourceOptions(provider=there)",
                "k8s.core.v1.ConfigMap('made', data={'a': '1'}, opts=opts)",
            )
            project.up()
        assert [path for path in cluster.objects if "configmaps" in path] == []
        assert len([path for path in other.objects if "configmaps" in path]) == 1
        project.destroy()
    finally:
        other.close()


def test_import_and_get(project: Project, cluster: FakeApi) -> None:
    """An object that exists is taken over by its id, managed from then on; `get` only looks at it."""
    thing = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
    for name in ("fixed", "seen"):
        cluster.put({**thing, "metadata": {"name": name, "namespace": "lab"}})
    project.program(
        *HEAD,
        "opts = pulumi.ResourceOptions(import_='lab/fixed')",
        "k8s.core.v1.ConfigMap('made', metadata={'name': 'fixed', 'namespace': 'lab'}, data={'a': '1'}, opts=opts)",
        "seen = k8s.core.v1.ConfigMap.get('seen', 'lab/seen')",
        "export('data', seen.data)",
    )
    assert project.up().changes == {"import": 1}
    assert project.up("--expect-no-changes").changes == {}
    assert project.run("outputs", "data").out.strip() == '{"a": "1"}'
    project.destroy()
    assert f"{MAPS}/fixed" not in cluster.objects
    assert f"{MAPS}/seen" in cluster.objects


def test_look_alike_is_refused_by_the_preview(project: Project, cluster: FakeApi) -> None:
    """Somebody else's object of our name is met before anything is created, and stays as it is."""
    cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed", "namespace": "lab"}})
    before = dict(cluster.objects[f"{MAPS}/fixed"])
    maps(project, "{'a': '1'}", "fixed")
    assert "exists already and is not this resource's" in project.run("up", "--json", code=1).error
    assert cluster.objects[f"{MAPS}/fixed"] == before
    assert not project.state_file.exists()
