"""A cluster that is not the lab's own: by its kubeconfig, with its own storage and a node's port; copies boot there, too.

It is the same cluster by another kubeconfig, which the lab cannot tell; its default class takes a volume made by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clients.kubernetes import places
from clients.kubernetes.api import Api
from substrates.contract import Request, Slot
from substrates.inputs import folder
from substrates.kubernetes import substrate as kubernetes
from tests.live.kubernetes.cluster import CORE, Stack, answers, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]
CLASSES, PROVISIONER = "/apis/storage.k8s.io/v1/storageclasses", "kubernetes.io/no-provisioner"
NAME = "vmlab-test-default"


@pytest.fixture
def default_class(api: Api, tmp_path: Path) -> Iterator[str]:
    """A default storage class with one volume."""
    if api.listed(CLASSES):
        pytest.skip("the cluster has storage classes of its own")
    place = folder.make("vmlab-test-volume")
    note = {"storageclass.kubernetes.io/is-default-class": "true"}
    made = {"provisioner": PROVISIONER, "volumeBindingMode": "WaitForFirstConsumer"}
    api.create(CLASSES, {"metadata": {"name": NAME, "annotations": note}, **made})
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}]
    spec = {
        "capacity": {"storage": "64Mi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": NAME,
        "local": {"path": str(place)},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
    }
    api.create(f"{CORE}/persistentvolumes", {"metadata": {"name": NAME}, "spec": spec})
    yield NAME
    api.delete(f"{CORE}/persistentvolumes/{NAME}")
    api.delete(f"{CLASSES}/{NAME}")
    folder.remove("vmlab-test-volume")


def test_other_cluster(
    new_stack: Callable[..., Stack],
    api: Api,
    default_class: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stack comes up with the cluster's own volume, answers at a node's port, and copies boot behind one of their own."""
    address = next(row["address"] for row in api.listed(f"{CORE}/nodes")[0]["status"]["addresses"])
    own, other = places.kubeconfig(), tmp_path / "kubeconfig"
    other.write_text(own.read_text())
    stack = new_stack(replicas=1, expose="NodePort", nodeAddress=address)

    stack.up("--kubeconfig", str(other))
    found = stack.outputs
    until(lambda: answers(found["url"]), 20, "an answer at the node's port")

    assert found["url"].startswith(f"http://{address}:")
    assert found["instance"]["kubeconfig"] == str(other)
    assert stack.only("persistentvolumeclaims")["spec"]["volumeName"] == NAME
    assert folder.names() == ["vmlab-test-volume"]
    assert "whether it is enforced depends" in found["conditions"]["network_policy"]
    monkeypatch.setenv("VMLAB_KUBECONFIG", str(other))
    boot = kubernetes.boot(
        kubernetes.definition(found["instance"]), Slot(60, 0), Request("/", "abroad", echoed=True)
    )
    kubernetes.remove_copies()
    assert boot.url.startswith(f"http://{address}:")
    assert "listening" not in boot.milestones_ns, "another cluster may have another clock"
    assert kubernetes.artifact(found["instance"]) == found["artifact"]
    refused = stack.lab.run("measure", stack.name, "--kubeconfig", str(own))
    assert refused.returncode == 2
    assert "is up on the cluster of" in refused.stderr
    stack.good("destroy", "--skip-preview")
