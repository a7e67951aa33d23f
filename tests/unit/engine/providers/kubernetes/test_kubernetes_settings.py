"""What the provider's settings and the annotations change in what is done."""

from __future__ import annotations

import time
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from engine.providers.kubernetes import ownership
from engine.values.wire import from_struct, to_struct
from tests.unit.clients.kubernetes.fake_api import FakeApi, Fault, kubeconfig
from tests.unit.engine.providers.kubernetes.driver import SEED, Engine

MAP = "core/v1:ConfigMap"
PATH = "/api/v1/namespaces/default/configmaps/fixed"
THEIRS: Any = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed", "namespace": "default"}}


def annotated(**notes: str) -> Any:
    """The metadata of the object `fixed` with these of Pulumi's annotations."""
    return {"name": "fixed", "annotations": {f"pulumi.com/{key}": value for key, value in notes.items()}}


def test_upsert_takes_over_what_is_there(stub: Any, fake: FakeApi) -> None:
    """With upsertExistingObjects a create adds its fields to the object that exists."""
    fake.put({**THEIRS, "data": {"x": "y"}})
    engine = Engine(stub, kubeconfig=kubeconfig(fake.url), upsertExistingObjects="true")
    engine.create(engine.urn(MAP), {"metadata": {"name": "fixed"}, "data": {"a": "1"}})
    assert fake.objects[PATH]["data"] == {"x": "y", "a": "1"}


def test_patch_force_of_the_provider_and_its_exception(stub: Any, fake: FakeApi) -> None:
    """enablePatchForce takes fields over; the annotation `patchForce: "false"` says no for one object."""
    engine = Engine(stub, kubeconfig=kubeconfig(fake.url), enablePatchForce=True)
    state = engine.create(engine.urn(MAP), {"metadata": {"name": "fixed"}, "data": {"a": "1"}})
    fake.put({**fake.objects[PATH], "data": {"a": "theirs"}}, manager="kubectl-edit")
    with pytest.raises(grpc.RpcError, match="conflict with"):
        engine.update(state, {"metadata": annotated(patchForce="false"), "data": {"a": "2"}})
    engine.update(state, {"metadata": {"name": "fixed"}, "data": {"a": "2"}})
    assert fake.objects[PATH]["data"] == {"a": "2"}


def test_default_namespace(stub: Any, fake: FakeApi) -> None:
    """The provider's namespace is for what names none, and never for what has none."""
    engine = Engine(stub, kubeconfig=kubeconfig(fake.url), namespace="lab")
    assert engine.checked(engine.urn(MAP), {"metadata": {"name": "x"}})["metadata"]["namespace"] == "lab"
    own = {"metadata": {"name": "x", "namespace": "own"}}
    assert engine.checked(engine.urn(MAP), own)["metadata"]["namespace"] == "own"
    assert (
        "namespace"
        not in engine.checked(engine.urn("core/v1:Namespace"), {"metadata": {"name": "x"}})["metadata"]
    )


def test_preview_with_rights_to_look_only(engine: Engine, fake: FakeApi) -> None:
    """Where this user may not write, a preview shows the inputs; where a policy refuses the object, it says so."""
    denied = 'configmaps "fixed" is forbidden: User "u" cannot patch resource "configmaps"'
    fake.faults = [Fault("PATCH", PATH, status=403, message=denied)]
    news: Any = {"metadata": {"name": "fixed"}, "data": {"a": "1"}}
    assert engine.preview(engine.urn(MAP), news)["data"] == {"a": "1"}
    fake.faults = [Fault("PATCH", PATH, status=403, message="forbidden: exceeded quota")]
    with pytest.raises(grpc.RpcError, match="exceeded quota"):
        engine.preview(engine.urn(MAP), news)


@pytest.mark.parametrize(
    ("notes", "policy"), [({}, "Foreground"), ({"deletionPropagationPolicy": "orphan"}, "Orphan")]
)
def test_how_a_delete_goes_on(engine: Engine, fake: FakeApi, notes: Any, policy: str) -> None:
    """Dependents first unless the annotation says otherwise, and only the object that we know."""
    state = engine.create(engine.urn(MAP), {"metadata": annotated(**notes)})
    uid = fake.objects[PATH]["metadata"]["uid"]
    engine.delete(state)
    (options,) = fake.deletions
    assert (options["propagationPolicy"], options["preconditions"]) == (policy, {"uid": uid})


def test_end_of_a_pod_that_nobody_awaits(engine: Engine, fake: FakeApi) -> None:
    """With skipAwait a Pod's end is not waited for; a ConfigMap's is, as with the official provider."""
    metadata = {**annotated(skipAwait="true"), "finalizers": ["lab/hold"]}
    state = engine.create(engine.urn("core/v1:Pod"), {"metadata": metadata, "spec": {}})
    started = time.monotonic()
    engine.delete(state, seconds=30)
    assert time.monotonic() - started < 5
    other = engine.create(engine.urn(MAP), {"metadata": metadata})
    with pytest.raises(grpc.RpcError, match="still there"):
        engine.delete(other, seconds=1)


def test_engines_own_names(engine: Engine) -> None:
    """A name that the engine proposes is taken, and without automatic names one must be given."""
    modes = provider_pb2.CheckRequest.AutonamingOptions

    def check(mode: Any) -> Any:
        options = modes(proposed_name="mine", mode=mode)
        urn = engine.urn(MAP)
        return engine.stub.Check(
            provider_pb2.CheckRequest(urn=urn, news=to_struct({}), randomSeed=SEED, autonaming=options)
        )

    metadata: Any = from_struct(check(modes.PROPOSE).inputs)["metadata"]
    assert metadata["name"] == "mine"
    with pytest.raises(grpc.RpcError, match="automatic names are disabled"):
        check(modes.DISABLE)


def test_manager_of_a_resource() -> None:
    """The same URN has the same manager, the state's own wins, and the annotation before all."""
    one, other = (f"urn:pulumi:s::p::kubernetes:core/v1:Pod::{name}" for name in ("one", "other"))
    assert ownership.manager_of(one, {}) == ownership.manager_of(one, {}) != ownership.manager_of(other, {})
    assert ownership.manager_of(one, {}, {"__fieldManager": "kept"}) == "kept"
    named = {"metadata": {"annotations": {"pulumi.com/patchFieldManager": "named"}}}
    assert ownership.manager_of(one, named, {"__fieldManager": "kept"}) == "named"
