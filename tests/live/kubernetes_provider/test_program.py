"""A program of `pulumi_kubernetes` run by the embedded engine on the real cluster, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.kubernetes import places
from clients.kubernetes.choice import KUBECONFIG
from engine.providers.kubernetes.site import Site
from tests.engine.harness import Project
from tests.live.kubernetes_provider.conftest import LABEL, NAMED, census, kubeconfig_path

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[3]
PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s
from pulumi import ResourceOptions, Output

there = k8s.Provider("there", kubeconfig={kubeconfig!r}, namespace={name!r}, enable_patch_force=True)
labels = {{"app": "web", {label!r}: {name!r}}}
room = k8s.core.v1.Namespace("room", metadata={{"name": {name!r}, "labels": labels}}, opts=ResourceOptions(provider=there))
inside = ResourceOptions(provider=there, parent=room, deleted_with=room)
token = Output.secret({canary!r})
secret = k8s.core.v1.Secret("secret", string_data={{"token": token}}, opts=inside)
settings = k8s.core.v1.ConfigMap("settings", data={{"greeting": {greeting!r}}}, opts=inside)
greeting = {{"name": settings.metadata.name, "key": "greeting"}}
account = k8s.core.v1.ServiceAccount("account", automount_service_account_token=False, opts=inside)
web = k8s.apps.v1.Deployment(
    "web",
    spec=k8s.apps.v1.DeploymentSpecArgs(
        selector=k8s.meta.v1.LabelSelectorArgs(match_labels={{"app": "web"}}),
        template=k8s.core.v1.PodTemplateSpecArgs(
            metadata=k8s.meta.v1.ObjectMetaArgs(labels=labels),
            spec=k8s.core.v1.PodSpecArgs(
                service_account_name=account.metadata.name,
                termination_grace_period_seconds=0,
                containers=[
                    k8s.core.v1.ContainerArgs(
                        name="main",
                        image={image!r},
                        command=["/busybox", "httpd", "-f", "-p", "8080"],
                        env=[{{"name": "G", "value_from": {{"config_map_key_ref": greeting}}}}],
                        resources={{"requests": {{"cpu": "10m"}}, "limits": {{"memory": "0.0625Gi"}}}},
                        volume_mounts=[{{"name": "busybox", "mount_path": "/busybox"}}],
                    )
                ],
                volumes=[{{"name": "busybox", "host_path": {{"path": "/bin/busybox", "type": "File"}}}}],
            ),
        ),
    ),
    opts=inside,
)
service = k8s.core.v1.Service(
    "web", spec={{"selector": {{"app": "web"}}, "ports": [{{"port": 80, "target_port": 8080}}]}}, opts=inside
)
half = {{"type": "Utilization", "average_utilization": 50}}
scaler = k8s.autoscaling.v2.HorizontalPodAutoscaler(
    "scaler",
    spec={{
        "min_replicas": 2,
        "max_replicas": 3,
        "scale_target_ref": {{"api_version": "apps/v1", "kind": "Deployment", "name": web.metadata.name}},
        "metrics": [{{"type": "Resource", "resource": {{"name": "cpu", "target": half}}}}],
    }},
    opts=inside,
)
pulumi.export("address", service.spec.cluster_ip)
pulumi.export("settings", settings.metadata.name)
"""


@pytest.fixture
def project(tmp_path: Path, kubeconfig: str, site: Site, image: str) -> Iterator[Project]:
    """A project whose program stands in a namespace of its own; that namespace is gone in the end."""
    made = Project(tmp_path)
    made.environment = {k: v for k, v in made.environment.items() if k != "KUBECONFIG"}
    name = f"vmlab-test-{uuid.uuid4().hex[:8]}"
    before = census(site)
    values = {"kubeconfig": kubeconfig, "name": name, "label": LABEL, "canary": made.canary, "image": image}
    made.values = values  # type: ignore[attr-defined]  # for `greet`
    greet(made, "hello")
    yield made
    left = census(site) - before
    place = site.kinds.need("v1", "Namespace")
    if any(name in row for row in left):
        site.api.send("DELETE", place.path("", name))
    assert not [row for row in left if name in row]


def greet(project: Project, greeting: str) -> None:
    """Write the program with this greeting."""
    text = PROGRAM.format(**project.values, greeting=greeting)  # type: ignore[attr-defined]  # set by the fixture
    (project.root / "__main__.py").write_text(text)


def test_life_of_a_program(project: Project, site: Site) -> None:
    """Up, up again, refresh, an edit that rolls the pods, loss and repair, destroy: each does what it reports and no more."""
    first = project.run("up", "--json")
    assert first.changes == {"create": 8}
    assert project.canary not in first.out + first.err
    assert project.up("--expect-no-changes").changes == {}
    address = project.run("outputs", "address").out.strip()
    assert address.count(".") == 3
    namespace = project.resource("room").id
    settings = project.resource("settings").id.rpartition("/")[2]
    assert settings.startswith("settings-")

    greet(project, "ahoy")
    changes = project.run("up", "--json").changes
    assert changes == {"replace": 1, "update": 1}, "a new ConfigMap, and the Deployment that names it"
    maps = [thing["metadata"]["name"] for thing in site.listed("v1", "ConfigMap", namespace)]
    assert settings not in maps
    assert project.up("--expect-no-changes").changes == {}

    web = next(r for r in project.state().resources if r.type.endswith(":Service"))
    path = site.kinds.need("v1", "Service").path(namespace, web.id.rpartition("/")[2])
    site.api.send("DELETE", path)
    assert project.refresh().changes.get("delete") == 1
    assert project.up().changes.get("create") == 1
    assert project.up("--expect-no-changes").changes == {}
    assert project.destroy().changes == {"delete": 8}


@pytest.mark.parametrize("kind", ["Namespace", "Secret", "Deployment"])
def test_engine_killed_while_creating(project: Project, site: Site, kind: str) -> None:
    """Killed as soon as the cluster has an object of this kind, the next up finishes it, and nothing is there twice."""
    api_version = "apps/v1" if kind == "Deployment" else "v1"
    name = project.values["name"]  # type: ignore[attr-defined]  # set by the fixture
    child = project.start("up", "--skip-preview", "--json")
    deadline = time.monotonic() + 30
    while not site.listed(api_version, kind, "" if kind == "Namespace" else name, **_selected(kind, name)):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    project.end(child)
    project.up()
    assert project.pending() == []
    for version, other in (
        ("v1", "Secret"),
        ("v1", "ConfigMap"),
        ("apps/v1", "Deployment"),
        ("v1", "Service"),
    ):
        found = [thing["metadata"]["name"] for thing in site.listed(version, other, name)]
        assert len([made for made in found if made != "kube-root-ca.crt"]) == 1, found
    assert project.up("--expect-no-changes").changes == {}
    project.destroy()


def _selected(kind: str, name: str) -> dict[str, str]:
    return {"fieldSelector": f"metadata.name={name}"} if kind == "Namespace" else {}


def test_the_users_own_cluster_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests write into the lab's own cluster, or into one that is named for tests; never where kubectl would."""
    monkeypatch.delenv(NAMED, raising=False)
    for name in ("KUBECONFIG", KUBECONFIG):
        monkeypatch.setenv(name, "/production")
    assert kubeconfig_path() == places.kubeconfig()

    monkeypatch.setenv(NAMED, "/for-tests")
    assert str(kubeconfig_path()) == "/for-tests"


def test_served_alone(kubeconfig: str) -> None:
    """Started as a plugin it prints its port and ends on SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.providers.kubernetes", "127.0.0.1:1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert int(process.stdout.readline()) > 0
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()
