"""Each object acts: on a real cluster it does what it is declared for, and is seen to."""

from __future__ import annotations

import hashlib
import subprocess
from functools import partial
from pathlib import Path

import pytest

from host.kubernetes import build, layout
from machine import places
from tests.live.kubernetes import cluster
from tests.live.kubernetes.cluster import CORE, Stack, pod, refusal, until
from tests.live.kubernetes.conftest import SECRET
from tests.live.kubernetes.load import OpenLoad, Workers

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]
APPS, BATCH, SCALING = "/apis/apps/v1", "/apis/batch/v1", "/apis/autoscaling/v2"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def test_same_outputs(stack: Stack) -> None:
    """The service answers at the url, from a pod on this kernel, and the cluster's words are in the conditions."""
    found = stack.outputs

    said = stack.answer()
    assert said["boot_id"] == BOOT_ID.read_text().strip()
    assert said["host"] in stack.ready()
    assert found["conditions"]["autoscaler"] == "on"
    assert "not enforced" in found["conditions"]["network_policy"]
    assert {"namespace", "boot_namespace", "deployment", "service", "kubeconfig"} <= set(found["instance"])


def test_requests_equal_limits(stack: Stack) -> None:
    """Each pod of the service is `Guaranteed`: what it may use is reserved for it."""
    for found in stack.pods():
        resources = found["spec"]["containers"][0]["resources"]
        assert resources["requests"] == resources["limits"] == {"cpu": "250m", "memory": str(64 * 1024**2)}
        assert found["status"]["qosClass"] == "Guaranteed"


def test_second_up_changes_nothing(stack: Stack) -> None:
    """Nothing is to be done by a second `up`, although the autoscaler has set the number of replicas meanwhile."""
    before = stack.settled()

    stack.good("up", "--expect-no-changes")

    assert stack.settled() == before


def test_quota_refuses_the_pod_too_many(stack: Stack) -> None:
    """Pods are taken until the quota is full; the next one is refused, and the message names quota, use and limit."""
    quota = stack.only("resourcequotas")
    hard = int(quota["spec"]["hard"]["pods"])
    path, made = f"{CORE}/namespaces/{stack.namespace}/pods", []
    resources = {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}}

    def fill() -> None:
        for number in range(hard + 1):
            stack.api.create(path, pod(f"guest-{number}", resources=resources))
            made.append(f"{path}/guest-{number}")

    try:
        error = refusal(fill)
    finally:
        for one in made:
            stack.api.delete(one, gracePeriodSeconds=0)
    assert error.status == 403
    assert f"exceeded quota: {quota['metadata']['name']}, requested: pods=1, used: pods={hard}" in str(error)
    assert 0 < len(made) < hard


def test_defaults_are_in_a_pod_that_sets_none(stack: Stack) -> None:
    """The LimitRange puts requests and limits into a pod without any."""
    path = f"{CORE}/namespaces/{stack.namespace}/pods"
    made = stack.api.create(path, pod("says-nothing"))
    stack.api.delete(f"{path}/says-nothing", gracePeriodSeconds=0)

    wanted = {"cpu": "100m", "memory": "32Mi"}
    assert made["spec"]["containers"][0]["resources"] == {"limits": wanted, "requests": wanted}


@pytest.mark.parametrize("where", ["namespace", "boot_namespace"])
def test_privileged_pod_is_refused(stack: Stack, where: str) -> None:
    """Pod Security lets no privileged pod into either namespace, and says what is wrong with it."""
    path = f"{CORE}/namespaces/{stack.outputs['instance'][where]}/pods"

    error = refusal(lambda: stack.api.create(path, pod("rude", securityContext={"privileged": True})))

    assert error.status == 403
    assert 'violates PodSecurity "restricted' in str(error)
    assert "must not set securityContext.privileged=true" in str(error)


def test_node_probe_is_on_each_node(stack: Stack) -> None:
    """There is one for each node; it answers with that node's name and boot id."""
    nodes = {row["metadata"]["name"]: row for row in stack.api.listed(f"{CORE}/nodes")}
    probes = {one["spec"]["nodeName"]: one for one in stack.pods("node-probe")}

    assert set(probes) == set(nodes)
    for node, one in probes.items():
        said = subprocess.run(
            ["curl", "-fsS", "-m", "5", f"http://{one['status']['podIP']}:8080/"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f'"instance": "{node}"' in said
        assert nodes[node]["status"]["nodeInfo"]["bootID"] in said


def test_secret_is_a_file_and_nothing_else(stack: Stack) -> None:
    """The service has its fingerprint. Its value is in no log, no state, no environment, no command line, and of the
    cluster's objects in its Secret alone."""
    assert stack.answer("/config")["secret_sha256_prefix"] == hashlib.sha256(SECRET.encode()).hexdigest()[:12]
    value = SECRET.encode()
    own = [
        path
        for path in stack.lab.home.rglob("*")
        if "cache" not in path.relative_to(stack.lab.home).parts[:1]
    ]
    logs = [
        *places.run().glob("*.log"),
        *Path("/run/vmlab").glob("*.log"),
        *(layout.data() / "pod-logs").rglob("*"),
    ]
    files = [path for path in {*own, *logs} if path.is_file() and not path.is_symlink()]
    listings = [path for part in ("environ", "cmdline") for path in Path("/proc").glob(f"[0-9]*/{part}")]
    kinds = {"pods": CORE, "configmaps": CORE, "events": CORE, "deployments": APPS, "replicasets": APPS}

    assert [path for path in files if value in path.read_bytes()] == []
    assert [path for path in listings if value in _content(path)] == []
    assert [kind for kind, group in kinds.items() if SECRET in str(stack.all(kind, group))] == []
    assert SECRET not in stack.good("export") + stack.good("outputs", "--json")


def test_config_change_rolls_the_pods(stack: Stack) -> None:
    """A changed setting is written into the ConfigMap where it is, and each pod is made anew with it."""
    before, settings = stack.settled(), stack.only("configmaps")
    stack.configure(environment={"SETTING_COLOUR": "green"})

    stack.up()

    until(lambda: not set(stack.settled()) & set(before), 60, "other pods")
    assert stack.answer("/config")["SETTING_COLOUR"] == "green"
    assert stack.only("configmaps")["metadata"]["uid"] == settings["metadata"]["uid"]


def test_data_survives_the_pods(stack: Stack) -> None:
    """Visits counted by one pod are there for those that come after it, and for each of them."""
    for _ in range(5):
        count = stack.answer("/visits", "POST")["visits"]
    before = stack.settled()
    for name in before:
        stack.api.delete(f"{CORE}/namespaces/{stack.namespace}/pods/{name}", gracePeriodSeconds=1)

    until(lambda: not set(stack.ready()) & set(before) and len(stack.ready()) == 2, 60, "other pods")
    until(lambda: cluster.answers(stack.outputs["url"]), 20, "the Service leads to the new pods")

    said = {stack.answer()["host"]: stack.answer("/visits")["visits"] for _ in range(10)}
    assert set(said.values()) == {count}


def test_rolling_update_loses_no_request(stack: Stack) -> None:
    """While each pod is replaced, a hundred requests a second, each on a connection of its own, are all answered."""
    before, deployment = stack.settled(), stack.only("deployments", APPS)
    change = {"spec": {"template": {"metadata": {"annotations": {"vmlab-test/restarted": "now"}}}}}

    with OpenLoad(stack.outputs["url"], per_second=100) as load:
        stack.api.send("PATCH", stack.path(deployment, "deployments", APPS), body=change)
        until(lambda: not set(stack.settled()) & set(before), 60, "other pods")
        load.go_on(6.0)  # the last old pod drains

    assert load.failures == []
    assert load.answered > 500
    assert len(load.hosts) >= 4, "old and new pods answered"
    stack.good("refresh")
    stack.up()  # takes the annotation back


def test_autoscaler_follows_the_load(stack: Stack) -> None:
    """From two pods to more while they are busy, and back when they are not."""
    stack.settled()
    scaler = stack.path(stack.only("horizontalpodautoscalers", SCALING), "horizontalpodautoscalers", SCALING)

    with Workers(stack.outputs["url"], 4):
        until(lambda: len(stack.ready()) > 2, 90, f"more pods: {stack.api.get(scaler)['status']}")
    until(lambda: len(stack.pods()) == 2, 100, "two pods again")

    assert stack.api.get(scaler)["spec"]["minReplicas"] == 2


def test_pulse_has_run(stack: Stack) -> None:
    """The CronJob has asked the service from inside the cluster, and was answered."""
    path = stack.path(stack.only("cronjobs", BATCH), "cronjobs", BATCH)
    until(
        lambda: stack.api.get(path).get("status", {}).get("lastSuccessfulTime"), 90, "a pulse that went well"
    )

    done = [one for one in stack.pods("pulse") if one["status"]["phase"] == "Succeeded"]
    assert "HTTP/1.1 200" in stack.api.text(f"{stack.path(done[-1], 'pods')}/log")


def test_kubectl_works(stack: Stack) -> None:
    """kubectl with the lab's kubeconfig sees the Deployment; there is no need to know where the cluster is."""
    command = [build.program("kubectl"), "--kubeconfig", stack.outputs["instance"]["kubeconfig"]]
    command += ["get", "deployments", "-n", stack.namespace, "-o", "name"]

    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    assert said.strip() == f"deployment.apps/{stack.outputs['instance']['deployment']}"


def test_behind_the_labs_back(stack: Stack) -> None:
    """A deleted Service and a changed quota are shown by `refresh` and repaired by `up`."""
    service, quota = stack.only("services"), stack.only("resourcequotas")
    stack.api.delete(stack.path(service, "services"))
    stack.api.send("PATCH", stack.path(quota, "resourcequotas"), body={"spec": {"hard": {"pods": "99"}}})

    shown = stack.good("refresh")
    again = stack.run("preview", "--expect-no-changes")
    stack.up()

    assert "-service" in shown
    assert "-quota" in shown
    assert "1 deleted" in shown, shown
    assert again.returncode != 0, "after the refresh there is something to repair"
    assert stack.only("resourcequotas")["spec"]["hard"] == quota["spec"]["hard"]
    until(lambda: cluster.answers(stack.outputs["url"]), 20, "the Service leads to the pods again")


def test_look_alikes_stay(stack: Stack) -> None:
    """Neither a namespace of a name like ours without our label, nor one with our label and another name, is the lab's."""
    path, plain, labelled = f"{CORE}/namespaces", "vmlab-kubernetes-0123456789", f"other-{stack.name}"
    marks: dict[str, dict[str, str]] = {plain: {}, labelled: {"vmlab.stack": "vmlab.kubernetes"}}
    try:
        for name, labels in marks.items():
            metadata = {"name": name, "labels": labels}
            stack.api.create(path, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        done = stack.lab.run("gc", "--dry-run")
        assert stack.namespace in done.stdout, done.stderr
        assert not [name for name in marks if name in done.stdout]
    finally:
        for name in marks:
            stack.api.delete(f"{path}/{name}")
            until(partial(_is_gone, stack, name), 30, "gone")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _is_gone(stack: Stack, namespace: str) -> bool:
    return stack.api.look(f"{CORE}/namespaces/{namespace}") is None
