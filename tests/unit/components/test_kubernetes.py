"""The Kubernetes component with Pulumi's mocks: the same outputs and names, and pods that are shut in as promised."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import set_mocks
from pulumi.runtime.mocks import MockResourceArgs
from pulumi.runtime.stack import wait_for_rpcs

from clients.kubernetes.choice import Choice
from components import spec
from components.kubernetes import KubernetesService, arguments, service
from components.kubernetes.arguments import ClusterArgs
from components.spec import ServiceArgs
from substrates.kubernetes import cluster
from tests.unit.components import test_components as others

loop = others.loop
MEMORY = 128 * 1024**2
OWN = ClusterArgs(Choice(Path("/kubeconfig")), cpu_request=0.5)


class Cluster(others.Recorder):
    """Mocks that put in what a cluster puts in."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """A Service's address, and how often the object changed."""
        id_, found = super().new_resource(args)
        if args.typ.startswith("kubernetes:"):
            found = {**found, "metadata": {**found["metadata"], "resourceVersion": "1"}}
        if args.typ == "kubernetes:core/v1:Service":
            found["spec"] = {**found["spec"], "clusterIP": "198.19.128.9"}
        return id_, found


@pytest.fixture
def recorder(loop: asyncio.AbstractEventLoop) -> Cluster:
    """Mocks that remember what was declared."""
    found = Cluster()
    set_mocks(found, project="vmlab", stack="try")
    return found


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster and an artifact that are not here."""
    known = cluster.Cluster("v1", "on", "declared")
    monkeypatch.setattr(cluster, "look", lambda _: known)
    monkeypatch.setattr(service, "load", lambda: others.ARTIFACT)


def declared(own: ClusterArgs = OWN, **more: Any) -> dict[str, Any]:
    """A component's outputs, when everything is registered."""
    args = ServiceArgs(
        artifact=more.pop("artifact", others.ARTIFACT), port=0, memory_bytes=MEMORY, replicas=2, **more
    )

    found: dict[str, Any] = {}

    async def declare() -> None:
        component = KubernetesService("service", args, own=own)
        for name, value in component.outputs.items():
            found[name] = await pulumi.Output.from_input(value).future()
        await wait_for_rpcs()

    asyncio.get_event_loop().run_until_complete(declare())
    return found


def test_every_output_is_there(recorder: Cluster) -> None:
    """The names that every stack exports, and how the lab finds cluster and Deployment again."""
    found = declared()

    assert set(found) == set(spec.OUTPUTS)
    assert found["limits"] == {"cpus": 1.0, "memory_bytes": MEMORY, "enforced": True}
    assert found["instance"]["boot_namespace"] == f"{found['instance']['namespace']}-boot"
    assert found["instance"]["kubeconfig"] == "/kubeconfig"


def test_pod_is_restricted(recorder: Cluster) -> None:
    """What Pod Security's `restricted` wants and more; and the limits that are declared."""
    declared()
    pod = recorder.made["kubernetes:apps/v1:Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    memory = str(MEMORY)
    assert container["resources"] == {
        "requests": {"cpu": "500m", "memory": memory},
        "limits": {"cpu": "1000m", "memory": memory},
    }
    assert container["image"] == "127.0.0.1:5000/vmlab/try@sha256:" + "1" * 64


def test_number_of_pods_is_the_autoscalers(recorder: Cluster) -> None:
    """The Deployment says none, so that no `up` takes back what the autoscaler did; an update keeps every pod until then."""
    declared()
    deployment = recorder.made["kubernetes:apps/v1:Deployment"]["spec"]
    scaler = recorder.made["kubernetes:autoscaling/v2:HorizontalPodAutoscaler"]["spec"]

    assert "replicas" not in deployment
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)


def test_secret_is_a_file(recorder: Cluster) -> None:
    """It is a mounted Secret; the environment has its path alone."""
    declared(secret=pulumi.Output.secret("hunter2"))
    pod = recorder.made["kubernetes:apps/v1:Deployment"]["spec"]["template"]["spec"]

    assert [volume["name"] for volume in pod["volumes"]] == ["tmp", "data", "secret"]
    assert (
        recorder.made["kubernetes:core/v1:ConfigMap"]["data"]["SECRET_FILE"] == "/run/secrets/vmlab/service"
    )
    assert "hunter2" not in json.dumps([pod, recorder.made["kubernetes:core/v1:ConfigMap"]])


def test_settings_change_the_pods(recorder: Cluster) -> None:
    """Another setting is another annotation of the pods, the same ones are the same."""

    def annotation(**environment: str) -> Any:
        declared(environment=environment)
        template = recorder.made["kubernetes:apps/v1:Deployment"]["spec"]["template"]
        return template["metadata"]["annotations"]["vmlab.config-hash"]

    assert annotation(SETTING_A="1") == annotation(SETTING_A="1") != annotation(SETTING_A="2")


def test_service_that_may_be_slow(recorder: Cluster) -> None:
    """A user's own service is given time to start, and the Service time to forget it, neither of which ours needs."""
    declared(artifact=replace(others.ARTIFACT, echoes_nonce=False))
    slow = recorder.made["kubernetes:apps/v1:Deployment"]["spec"]["template"]["spec"]["containers"][0]
    declared()
    ours = recorder.made["kubernetes:apps/v1:Deployment"]["spec"]["template"]["spec"]["containers"][0]

    assert slow["startupProbe"]["failureThreshold"] >= 30
    assert slow["lifecycle"]["preStop"] == {"sleep": {"seconds": 3}}
    assert not {"startupProbe", "lifecycle"} & set(ours)
    assert {"readinessProbe", "livenessProbe"} <= set(ours) & set(slow)


def test_other_cluster_has_volumes_of_its_own(recorder: Cluster) -> None:
    """There is no folder and no volume of ours on a cluster of somebody else's; its default class gives one."""
    declared(replace(OWN, cluster=Choice(Path("/other"), "there", ours=False)))
    claim = recorder.made["kubernetes:core/v1:PersistentVolumeClaim"]["spec"]

    assert "kubernetes:core/v1:PersistentVolume" not in recorder.made
    assert not {"storageClassName", "volumeName"} & set(claim)
    assert recorder.made["pulumi:providers:kubernetes"]["context"] == "there"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"expose": "Ingress"}, "expose must be one of ClusterIP, NodePort, LoadBalancer, not 'Ingress'"),
        ({"expose": "NodePort"}, "nodeAddress must be a node's address when expose is NodePort"),
        ({"cpuRequest": "much"}, "cpuRequest must be a number above 0, not 'much'"),
    ],
)
def test_bad_settings(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str) -> None:
    """What is wrong is named with its key."""
    config = pulumi.Config("vmlab")
    monkeypatch.setattr(config, "get", settings.get)

    with pytest.raises(ValueError, match=r".") as raised:
        ClusterArgs.from_config(config, 1.0)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("settings", "reserved"), [({}, 0.25), ({"cpuRequest": "0.1"}, 0.1), ({"cpuRequest": "2"}, 0.25)]
)
def test_reserved(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], reserved: float) -> None:
    """CPU is reserved as it is limited, or less where the stack says so, and never more."""
    config = pulumi.Config("vmlab")
    monkeypatch.setattr(config, "get", settings.get)
    monkeypatch.setattr(arguments, "chosen", lambda: OWN.cluster)

    assert ClusterArgs.from_config(config, 0.25).cpu_request == reserved
