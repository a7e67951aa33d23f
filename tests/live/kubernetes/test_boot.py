"""Boots of copies: milestones and the second account, what a copy takes, that it is fresh, and nothing left after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from machine.errors import NeverAnswered
from substrates.contract import MILESTONES, Boot, Request, Slot
from substrates.inputs import artifact
from substrates.kubernetes import copies
from substrates.kubernetes import substrate as kubernetes
from tests.live.kubernetes import cluster
from tests.live.kubernetes.cluster import CORE, Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]
MEMORY = 64 * 1024**2


@pytest.fixture(scope="module")
def up(new_stack: Callable[..., Stack]) -> Stack:
    """A stack with one pod."""
    stack = new_stack(replicas=1)
    stack.up()
    return stack


@pytest.fixture(scope="module")
def definition(up: Stack) -> copies.Definition:
    """What its copies are made from."""
    return kubernetes.definition(up.outputs["instance"])


def boot(definition: copies.Definition, number: int, nonce: str = "", seconds: float = 60.0) -> Boot:
    """One copy."""
    request = Request("/", nonce or f"n{number}x", echoed=True, seconds=seconds)
    return kubernetes.boot(definition, Slot(number, 0), request)


def test_boots_leave_nothing(up: Stack, definition: copies.Definition) -> None:
    """Each has its milestones in order and phases that are its total, and what a watch saw lies between; then it is gone."""
    before = cluster.take(up.api, up.lab, [up.name])
    for number in range(3):
        found = boot(definition, number)
        kubernetes.destroy(found.copy)

        names = [name for name in MILESTONES if name in found.milestones_ns]
        stamps = [found.milestones_ns[name] for name in names]
        assert names == ["requested", "accepted", "sandboxed", "service", "listening", "answered"]
        assert stamps == sorted(stamps)
        assert sum(found.phases_seconds().values()) == pytest.approx(found.seconds, abs=1e-9)
        account = found.checks_seconds
        assert set(account) == {"scheduled", "pulled", "started", "ready"}
        assert account["scheduled"] < account["pulled"] < account["ready"] <= found.seconds
        for kind in ("pods", "services"):
            assert up.api.look(f"{CORE}/namespaces/{found.copy.namespace}/{kind}/{found.copy.name}") is None
    assert cluster.difference(up.api, up.lab, before, [up.name]) == []


def test_cold_image(definition: copies.Definition) -> None:
    """Its pods pull the image each time, which a warm one does not; the files are the same."""
    cold = kubernetes.cold(definition)
    assert cold is not None
    pulling, answers = [], []
    for number, one in enumerate((definition, cold, cold)):
        found = boot(one, 20 + number)
        pulling.append(found.checks_seconds["pulled"] - found.phases_seconds()["sandboxed"])
        answers.append(cluster.asked(found.url)["version"])
        kubernetes.destroy(found.copy)  # a copy that runs keeps its layers

    assert answers == ["1", "1", "1"]
    assert min(pulling[1:]) > pulling[0] + 0.1, pulling


def test_copies_are_fresh(up: Stack, definition: copies.Definition) -> None:
    """Two copies at once, each with its own nonce and data, and none with the stack's visits; `remove_copies` takes both."""
    up.answer("/visits", "POST")
    both = [boot(definition, number, nonce) for number, nonce in ((1, "first"), (2, "second"))]
    said = [cluster.asked(found.url) for found in both]
    visits = [cluster.asked(found.url, "/visits")["visits"] for found in both]
    kubernetes.remove_copies()

    assert [one["nonce"] for one in said] == ["first", "second"]
    assert visits == [0, 0]
    assert up.answer("/visits")["visits"] > 0
    assert not [one for found in both for one in (found.copy.pod, found.copy.service) if up.api.look(one)]


def test_what_a_copy_takes(definition: copies.Definition) -> None:
    """The service, the pause container and the shim are counted, and no more; the control plane is counted apart."""
    found = boot(definition, 3)
    took = kubernetes.footprint(found.copy)
    kubernetes.destroy(found.copy)
    fixed = kubernetes.fixed()

    assert took.pss_bytes is not None
    assert 4 * 1024**2 < took.pss_bytes < MEMORY
    assert took.cgroup_bytes is not None
    assert 1024**2 < took.cgroup_bytes < MEMORY
    assert 0 < took.cpu_seconds < 5
    assert {"etcd", "kube-apiserver", "kubelet", "kube-proxy", "containerd"} <= set(fixed)
    assert all(memory > took.pss_bytes and cpu > 0 for memory, cpu in fixed.values())


def test_same_bytes_and_limits(up: Stack) -> None:
    """Artifact and limits are read back from the running pod, and are what the stack declares."""
    found = up.outputs

    assert kubernetes.artifact(found["instance"]) == found["artifact"] == artifact.load().digest
    assert kubernetes.limits(found["instance"]).as_dict() == found["limits"]
    assert found["limits"] == {"cpus": 0.25, "memory_bytes": MEMORY, "enforced": True}
    assert kubernetes.image_bytes(found["instance"]) > 20 * 1024**2


def test_boot_that_never_answers(up: Stack, definition: copies.Definition) -> None:
    """An image that does not exist: the boot fails at once, with the last milestone and the kubelet's message."""
    template = {**definition.template, "spec": {**definition.template["spec"]}}
    container = {**template["spec"]["containers"][0], "image": "127.0.0.1:5000/vmlab/nobody-has-this:1"}
    template["spec"]["containers"] = [container]

    with pytest.raises(NeverAnswered) as raised:
        boot(replace(definition, template=template), 4)

    assert raised.value.milestone == "sandboxed"
    assert "nobody-has-this" in str(raised.value)
    assert up.api.listed(f"{CORE}/namespaces/{definition.namespace}/pods") == []
