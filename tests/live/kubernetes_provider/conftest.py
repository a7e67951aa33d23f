"""A real cluster (the lab's own, or that of VMLAB_TEST_KUBECONFIG), a namespace for each test, and a census that must balance.

A test's objects are in its namespace, or carry its label; both are removed even when it fails, and were then an error.
"""

from __future__ import annotations

import json
import os
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clients.kubernetes import places
from engine.providers.kubernetes.refusal import Failures
from engine.providers.kubernetes.site import Settings, Site
from tests.live.conftest import missing
from tests.unit.engine.providers.kubernetes.driver import Engine, served

# Of its own, because KUBECONFIG and VMLAB_KUBECONFIG may point at a cluster that is in use.
NAMED = "VMLAB_TEST_KUBECONFIG"
REGISTRY = "127.0.0.1:5000"
LABEL = "vmlab.stack"
CLUSTER_WIDE = (
    ("v1", "Namespace"),
    ("v1", "PersistentVolume"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("storage.k8s.io/v1", "StorageClass"),
)
GONE_SECONDS = 60.0


class Lab:
    """A test's namespace, its engine, and the cluster itself to look at."""

    def __init__(self, engine: Engine, site: Site, image: str) -> None:
        self.engine, self.site, self.image = engine, site, image
        self.namespace = f"vmlab-test-{uuid.uuid4().hex[:8]}"
        self.labels = {LABEL: self.namespace}

    def start(self) -> SimpleNamespace:
        """Make the namespace."""
        metadata = {"name": self.namespace, "labels": self.labels}
        return self.engine.create(self.engine.urn("core/v1:Namespace", "ns"), {"metadata": metadata})

    def meta(self, name: str, **annotations: str) -> Any:
        """The metadata of an object of this test; `skipAwait="true"` for pulumi.com/skipAwait."""
        notes = {f"pulumi.com/{key}": value for key, value in annotations.items()}
        return {"name": name, "namespace": self.namespace, "labels": self.labels, "annotations": notes}

    def make(
        self, type_: str, name: str, body: Any, seconds: float = 60, **annotations: str
    ) -> SimpleNamespace:
        """Create one object."""
        inputs = {"metadata": self.meta(name, **annotations), **body}
        return self.engine.create(self.engine.urn(type_, name), inputs, seconds)

    def get(self, api_version: str, kind: str, name: str) -> Any:
        """An object as the cluster has it; None when it is gone."""
        place = self.site.kinds.find(api_version, kind)
        assert place is not None
        return self.site.api.look(place.path(self.namespace, name))

    def by_hand(self, method: str, api_version: str, kind: str, name: str, body: Any = None) -> Any:
        """What another user does: a merge patch, a delete, an apply as `kubectl`."""
        place = self.site.kinds.find(api_version, kind)
        assert place is not None
        path = place.path(self.namespace, name)
        query = {"fieldManager": "kubectl-edit"} if method == "PATCH" else {}
        return self.site.api.send(
            method, path, body=body, query=query, content_type="application/merge-patch+json"
        ).body

    def pods(self, *command: str, **more: Any) -> Any:
        """A pod's spec that runs busybox with this command."""
        container = {
            "name": "main",
            "image": self.image,
            "command": ["/busybox", *command],
            "volumeMounts": [{"name": "busybox", "mountPath": "/busybox", "readOnly": True}],
            **more,
        }
        volumes = [{"name": "busybox", "hostPath": {"path": "/bin/busybox", "type": "File"}}]
        return {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0}

    def workload(self, pod: Any, app: str = "web", **spec: Any) -> Any:
        """The body of a Deployment and its likes."""
        labels = {"app": app}
        return {
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
                **spec,
            }
        }


@pytest.fixture(scope="session")
def kubeconfig() -> str:
    """Where the cluster's kubeconfig is."""
    path = kubeconfig_path()
    if not path.is_file():
        missing(f"no cluster: {path} is not there; start it with: vmlab host up kubernetes")
    return str(path)


@pytest.fixture(scope="session")
def image() -> str:
    """An image of the lab's registry; which one does not matter."""
    try:
        with urllib.request.urlopen(f"http://{REGISTRY}/v2/vmlab/null/tags/list", timeout=5) as answer:
            tags = json.load(answer)["tags"]
    except OSError as error:
        missing(f"no registry at {REGISTRY}: {error}; start it with: vmlab host up registry artifact")
        raise
    return f"{REGISTRY}/vmlab/null:{sorted(tags)[0]}"


@pytest.fixture(scope="session")
def stub() -> Iterator[Any]:
    """The provider."""
    with served() as provider:
        yield provider


@pytest.fixture(scope="session")
def site(kubeconfig: str) -> Iterator[Site]:
    """The cluster as this test looks at it."""
    found = Site(Settings(kubeconfig=kubeconfig))
    try:
        found.api.get("/version")
    except Failures as error:
        missing(str(error))
    yield found
    found.close()


@pytest.fixture
def new_lab(stub: Any, kubeconfig: str, site: Site, image: str) -> Iterator[Callable[..., Lab]]:
    """Makes labs with a configuration; each must be as empty at the end as it was at the beginning."""
    before = census(site)
    made: list[Lab] = []

    def make(**config: str) -> Lab:
        lab = Lab(Engine(stub, **{"kubeconfig": kubeconfig, **config}), site, image)
        made.append(lab)
        return lab

    yield make
    left = {row for lab in made for row in settled(site, before) if lab.namespace in row}
    for lab in made:
        sweep(lab)
    assert not left, f"the census differs: {sorted(left)}"


@pytest.fixture
def lab(new_lab: Callable[..., Lab]) -> Iterator[Lab]:
    """One lab with its namespace, which the provider itself removes."""
    lab = new_lab()
    state = lab.start()
    yield lab
    lab.engine.delete(state, GONE_SECONDS)


def kubeconfig_path() -> Path:
    """The lab's own, unless the user names one for tests."""
    return Path(os.environ.get(NAMED) or places.kubeconfig())


def census(site: Site) -> set[str]:
    """Everything cluster-wide: what is in a namespace goes with it. Of a kind with labels of ours the label is told."""
    found = set()
    for api_version, kind in CLUSTER_WIDE:
        for thing in site.listed(api_version, kind, ""):
            label = thing["metadata"].get("labels", {}).get(LABEL, "")
            found.add(f"{kind} {thing['metadata']['name']} {label}")
    return found


def settled(site: Site, before: set[str]) -> set[str]:
    """What is there that was not, once the cluster had its time."""
    deadline = time.monotonic() + 5
    while (left := census(site) - before) and time.monotonic() < deadline:
        site.cancelled.wait(0.2)
    return left


def sweep(lab: Lab) -> None:
    """Remove what carries this test's label."""
    for api_version, kind in CLUSTER_WIDE:
        place = lab.site.kinds.find(api_version, kind)
        for thing in lab.site.listed(api_version, kind, "", labelSelector=f"{LABEL}"):
            if place and lab.namespace in str(thing["metadata"].get("labels")):
                lab.site.api.send("DELETE", place.path("", thing["metadata"]["name"]))
