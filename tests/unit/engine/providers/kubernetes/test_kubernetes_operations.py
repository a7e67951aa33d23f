"""Create, update, read and delete against a server that does what a real one does not do on demand."""

from __future__ import annotations

import base64
import threading
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2

from engine.values import UNKNOWN, Secret, without_secrets
from engine.values.wire import from_struct
from tests.unit.clients.kubernetes.fake_api import FakeApi, Fault
from tests.unit.engine.providers.kubernetes.driver import Engine, HalfMade

MAP = "core/v1:ConfigMap"
PATH = "/api/v1/namespaces/default/configmaps/fixed"
FIXED: Any = {"metadata": {"name": "fixed"}, "data": {"a": "1"}}


def test_life_of_an_object(engine: Engine, fake: FakeApi) -> None:
    """Made under our manager with the state's three keys, changed by apply, seen, and gone after delete."""
    state = engine.create(engine.urn(MAP), FIXED)
    live = fake.objects[PATH]
    manager = live["metadata"]["managedFields"][0]["manager"]
    assert state.id == "default/fixed"
    assert manager.startswith("pulumi-kubernetes-")
    assert (state.outputs["__fieldManager"], state.outputs["__initialApiVersion"]) == (manager, "v1")
    assert state.outputs["__inputs"] == state.inputs

    engine.update(state, {"metadata": {"name": "fixed"}, "data": {"b": "2"}})
    assert fake.objects[PATH]["data"] == {"b": "2"}
    assert engine.refresh(state)
    engine.delete(state)
    assert PATH not in fake.objects
    engine.delete(state)


def test_name_is_made_and_kept(engine: Engine, fake: FakeApi) -> None:
    """An object without a name gets one that Kubernetes allows, keeps it in updates, and gets another in a replacement."""
    urn = engine.urn(MAP, "My_Map")
    inputs = engine.checked(urn, {"data": {"a": "1"}})
    metadata = inputs["metadata"]
    assert metadata == {
        "name": "my-map-01234567",
        "namespace": "default",
        "annotations": {"pulumi.com/autonamed": "true"},
    }
    assert engine.checked(urn, {"data": {"a": "2"}}, inputs)["metadata"] == metadata
    state = engine.create(urn, {"data": {"a": "1"}})
    diff = engine.diff(state, {"data": {"a": "2"}})
    assert (list(diff.replaces), diff.deleteBeforeReplace) == (["data.a"], False)


def test_somebody_elses_object_stays_untouched(engine: Engine, fake: FakeApi) -> None:
    """A create that meets an object of its name is refused, in the preview too, and says whose it is."""
    fake.put(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "fixed", "namespace": "default"},
            "data": {"x": "y"},
        }
    )
    before = dict(fake.objects[PATH])
    says = "ConfigMap default/fixed exists already and is not this resource's .its managers: kubectl-create."
    for call in (engine.create, engine.preview):
        with pytest.raises(grpc.RpcError, match=says) as refused:
            call(engine.urn(MAP), FIXED)
        assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert fake.objects[PATH] == before


def test_object_that_comes_between_look_and_apply_is_given_back(
    engine: Engine, fake: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object made at the same moment keeps its fields, ours are taken out again, and the create is refused."""
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "fixed", "namespace": "default"},
        "data": {"x": "y"},
    }
    genuine = fake.handle

    def handle(method: str, url: str, body: Any) -> Any:
        if method == "PATCH" and PATH not in fake.objects:
            fake.put(theirs)
        return genuine(method, url, body)

    monkeypatch.setattr(fake, "handle", handle)
    with pytest.raises(grpc.RpcError, match="exists already"):
        engine.create(engine.urn(MAP), FIXED)
    assert fake.objects[PATH]["data"] == {"x": "y"}


def test_strangers_object_under_our_name_counts_as_gone(engine: Engine, fake: FakeApi) -> None:
    """Deleted and made anew by another user: refresh says gone, delete leaves it, update refuses."""
    state = engine.create(engine.urn(MAP), FIXED)
    del fake.objects[PATH]
    fake.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed", "namespace": "default"}})
    assert not engine.read(state.urn, state.id, state.inputs, state.outputs).id
    with pytest.raises(grpc.RpcError, match=r"another user .kubectl-create. made this one"):
        engine.update(state, {**FIXED, "data": {"a": "2"}})
    engine.delete(state)
    assert PATH in fake.objects


def test_what_is_gone_is_made_anew_by_an_update(engine: Engine, fake: FakeApi) -> None:
    """An update of an deleted object creates it again."""
    state = engine.create(engine.urn(MAP), FIXED)
    del fake.objects[PATH]
    engine.update(state, {**FIXED, "data": {"a": "2"}})
    assert fake.objects[PATH]["data"] == {"a": "2"}


def test_lost_create_is_found_again(engine: Engine, fake: FakeApi) -> None:
    """Read without an id finds what we made under the inputs' name, and nothing that another user made."""
    urn = engine.urn(MAP)
    inputs = engine.checked(urn, FIXED)
    assert not engine.read(urn, "", inputs).id
    engine.create(urn, FIXED)
    assert engine.read(urn, "", inputs).id == "default/fixed"
    fake.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed", "namespace": "default"}},
        manager="other",
    )
    fake.objects[PATH]["metadata"]["managedFields"] = fake.objects[PATH]["metadata"]["managedFields"][-1:]
    assert not engine.read(urn, "", inputs).id


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PATCH", PATH, status=0),
        Fault("PATCH", PATH, status=0, done=True),
        Fault("PATCH", PATH, status=500, message="etcdserver: request timed out"),
        Fault("PATCH", PATH, status=500, message="etcdserver: leader changed", done=True),
        Fault("PATCH", PATH, status=503, times=2),
        Fault("PATCH", PATH, status=429, headers={"Retry-After": "1"}),
        Fault("PATCH", PATH, status=409, message="the object has been modified"),
        Fault("GET", PATH, status=0, times=2),
        Fault("GET", "/api/v1$", status=503, times=5),
        Fault("PATCH", PATH, status=200, seconds=0.5),
    ],
    ids=lambda fault: f"{fault.method}-{fault.status}{'-done' if fault.done else ''}",
)
def test_faults_are_survived(engine: Engine, fake: FakeApi, fault: Fault) -> None:
    """A cut connection, a busy or changing server, before or after it did the work: the object is made once and kept."""
    fault = Fault(**vars(fault))
    fake.faults = [fault]
    state = engine.create(engine.urn(MAP), FIXED)
    assert fault.times == 0
    assert without_secrets(state.outputs["data"]) == {"a": "1"}
    assert len([path for path in fake.objects if "configmaps" in path]) == 1


def test_other_refusals_are_not_repeated(engine: Engine, fake: FakeApi) -> None:
    """What the server refuses for good is said at once, with the object's name."""
    fake.faults = [Fault("PATCH", PATH, status=422, message="data is too long", times=9)]
    with pytest.raises(grpc.RpcError, match="ConfigMap default/fixed: data is too long") as refused:
        engine.create(engine.urn(MAP), FIXED)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert fake.count("PATCH", PATH) == 1


def test_unknown_field_is_not_tried_again(engine: Engine, fake: FakeApi) -> None:
    """An apply with a field that the schema lacks is answered with 500; it is said at once all the same, as a bad request."""
    message = "failed to create typed patch object (/fixed; /v1, Kind=ConfigMap): .dat: field not declared in schema"
    fake.faults = [Fault("PATCH", PATH, status=500, message=message, times=9)]
    with pytest.raises(
        grpc.RpcError, match=r"ConfigMap default/fixed: .dat: field not declared in schema"
    ) as refused:
        engine.preview(engine.urn(MAP), FIXED)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert fake.count("PATCH", PATH) == 1


def test_fields_of_others_are_refused_or_taken(engine: Engine, fake: FakeApi) -> None:
    """A field that another manager changed is a conflict that names it, until patchForce takes it over."""
    state = engine.create(engine.urn(MAP), FIXED)
    live = fake.objects[PATH]
    fake.put({**live, "data": {"a": "theirs"}}, manager="kubectl-edit")
    with pytest.raises(grpc.RpcError, match=r'conflict with "kubectl-edit": .data.a; take them over'):
        engine.update(state, {**FIXED, "data": {"a": "3"}})
    forced = {
        "metadata": {"name": "fixed", "annotations": {"pulumi.com/patchForce": "true"}},
        "data": {"a": "3"},
    }
    engine.update(state, forced)
    assert fake.objects[PATH]["data"] == {"a": "3"}


def test_drift_is_seen_and_mended(engine: Engine, fake: FakeApi) -> None:
    """A changed value is in the inputs after a refresh, so the next diff shows it; what others add is not."""
    state = engine.create(engine.urn(MAP), FIXED)
    fake.put({**fake.objects[PATH], "data": {"a": "theirs", "more": "x"}}, manager="kubectl-edit")
    engine.refresh(state)
    assert state.inputs["data"] == {"a": "theirs"}
    assert list(engine.diff(state, FIXED).diffs) == ["data"]


def test_refresh_of_what_did_not_change_changes_nothing(engine: Engine, fake: FakeApi) -> None:
    """A new resourceVersion alone is no change of the state."""
    state = engine.create(engine.urn(MAP), FIXED)
    before = (state.inputs, state.outputs)
    fake.objects[PATH]["metadata"]["resourceVersion"] = "999"
    engine.refresh(state)
    assert (state.inputs, state.outputs) == before


def test_ignored_field_is_left_to_whoever_manages_it(engine: Engine, fake: FakeApi) -> None:
    """With ignoreChanges an autoscaler's replicas stay its own."""
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}}
    inputs = {"metadata": {"name": "web", "annotations": {"pulumi.com/skipAwait": "true"}}, "spec": spec}
    state = engine.create(engine.urn("apps/v1:Deployment"), inputs)
    path = "/apis/apps/v1/namespaces/default/deployments/web"
    fake.put({**fake.objects[path], "spec": {**spec, "replicas": 5}}, manager="autoscaler")
    fields = fake.objects[path]["metadata"]["managedFields"]
    fake.objects[path]["metadata"]["managedFields"] = [
        {**row, "fieldsV1": {"f:spec": {"f:replicas": {}}}} if row["manager"] == "autoscaler" else row
        for row in fields
    ]
    news = {**inputs, "spec": {**spec, "minReadySeconds": 1}}
    engine.update(state, news, ignore=("spec.replicas",))
    assert fake.objects[path]["spec"]["replicas"] == 5


def test_import_by_id(engine: Engine, fake: FakeApi) -> None:
    """Read by id alone brings the object's own fields as inputs; with inputs only their fields."""
    thing = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "fixed", "namespace": "default"},
        "data": {"x": "y"},
    }
    fake.put(thing)
    answer = engine.read(engine.urn(MAP), "default/fixed", {})
    assert without_secrets(from_struct(answer.inputs)) == thing
    assert from_struct(engine.read(engine.urn(MAP), "default/fixed", {**thing, "data": {"x": "z"}}).inputs)[
        "data"
    ] == {"x": "y"}
    assert not engine.read(engine.urn(MAP), "default/other", {}).id


def test_delete_waits_and_says_what_holds_it_back(engine: Engine, fake: FakeApi) -> None:
    """A finalizer is waited for, and named when it is not gone in time."""
    state = engine.create(
        engine.urn(MAP), {**FIXED, "metadata": {"name": "fixed", "finalizers": ["lab/hold"]}}
    )
    with pytest.raises(grpc.RpcError, match="still there after 1 s; it waits for its finalizers: lab/hold"):
        engine.delete(state, seconds=1)
    timer = threading.Timer(0.5, lambda: fake.objects.pop(PATH))
    timer.start()
    engine.delete(state)
    timer.join()
    assert PATH not in fake.objects


def test_preview_shows_what_the_server_would_do(engine: Engine, fake: FakeApi) -> None:
    """A dry run fills in defaults, changes nothing, and leaves unknown what only a real create decides."""
    shown = engine.preview(
        engine.urn("core/v1:Service"), {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}]}}
    )
    assert shown["spec"] == {"ports": [{"port": 1}], "clusterIP": UNKNOWN, "clusterIPs": UNKNOWN}
    assert (shown["status"], shown["metadata"]["uid"]) == (UNKNOWN, UNKNOWN)
    assert not [path for path in fake.objects if "services" in path]
    with pytest.raises(grpc.RpcError, match=r'unknown field "spec.bogus"'):
        engine.preview(engine.urn("core/v1:Service"), {"metadata": {"name": "s"}, "spec": {"bogus": 1}})


def test_preview_without_a_namespace_or_a_value(engine: Engine, fake: FakeApi) -> None:
    """What cannot be tried yet is shown as the inputs say."""
    late = engine.preview(
        engine.urn(MAP), {"metadata": {"name": "m", "namespace": "later"}, "data": {"a": "1"}}
    )
    assert late["data"] == {"a": "1"}
    unknown = engine.preview(engine.urn(MAP), {"metadata": {"name": "m"}, "data": {"a": UNKNOWN}})
    assert unknown["data"] == {"a": UNKNOWN}


def test_namespace_of_the_same_run_is_waited_for(engine: Engine, fake: FakeApi) -> None:
    """An object whose namespace comes a moment later is created."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later"}}
    timer = threading.Timer(0.6, lambda: fake.put(namespace))
    timer.start()
    state = engine.create(engine.urn(MAP), {"metadata": {"name": "m", "namespace": "later"}})
    timer.join()
    assert state.id == "later/m"


def test_secret_is_sealed_and_masked(engine: Engine, fake: FakeApi) -> None:
    """A Secret's data are secret in inputs and outputs however they were written, and in no message."""
    urn = engine.urn("core/v1:Secret")
    word = "correct-horse"
    coded = base64.b64encode(word.encode()).decode()
    state = engine.create(
        urn, {"metadata": {"name": "s"}, "stringData": {"word": word}, "data": {"word": coded}}
    )
    assert isinstance(state.inputs["stringData"], Secret)
    assert isinstance(state.outputs["data"], Secret)
    assert isinstance(state.outputs["__inputs"]["data"], Secret)
    fake.faults = [Fault("PATCH", "/configmaps/", status=422, message=f"bad values {word} and {coded}")]
    with pytest.raises(grpc.RpcError) as refused:
        engine.create(engine.urn(MAP), FIXED)
    assert "bad values [secret] and [secret]" in str(refused.value)


def test_secret_is_written_as_data(engine: Engine, fake: FakeApi) -> None:
    """stringData is applied as data, so that a key which the program drops can go."""
    engine.create(engine.urn("core/v1:Secret"), {"metadata": {"name": "s"}, "stringData": {"word": "open"}})
    live = fake.objects["/api/v1/namespaces/default/secrets/s"]
    assert live["data"] == {"word": "b3Blbg=="}
    assert live["metadata"]["managedFields"][0]["fieldsV1"]["f:data"] == {"f:word": {}}


def test_program_secret_stays_secret_where_it_goes(engine: Engine, fake: FakeApi) -> None:
    """A secret input of another kind is secret in the outputs at its place, a list as a whole."""
    state = engine.create(engine.urn(MAP), {**FIXED, "data": {"a": Secret("hidden"), "b": "open"}})
    assert state.outputs["data"] == {"a": Secret("hidden"), "b": "open"}
    assert fake.objects[PATH]["data"] == {"a": "hidden", "b": "open"}


def test_object_on_its_way_out_is_waited_for(engine: Engine, fake: FakeApi) -> None:
    """A create under the name of what is just being deleted begins when that is gone."""
    thing: Any = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "fixed", "namespace": "default"},
    }
    fake.put({**thing, "metadata": {**thing["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    timer = threading.Timer(0.4, lambda: fake.objects.pop(PATH))
    timer.start()
    engine.create(engine.urn(MAP), FIXED)
    timer.join()
    assert fake.objects[PATH]["data"] == {"a": "1"}


def test_object_of_the_official_provider_is_taken_over(engine: Engine, fake: FakeApi) -> None:
    """Fields that it created by a POST count as applied, so that one which the program drops really goes."""
    state = engine.create(engine.urn(MAP), {**FIXED, "data": {"a": "1", "b": "2"}})
    fake.objects[PATH]["metadata"]["managedFields"][0]["operation"] = "Update"
    engine.update(state, FIXED)
    assert fake.objects[PATH]["data"] == {"a": "1"}


def test_cancel_keeps_what_exists(engine: Engine, fake: FakeApi) -> None:
    """Broken off while waiting, an object is answered as half-made."""
    timer = threading.Timer(0.5, lambda: engine.stub.Cancel(empty_pb2.Empty()))
    timer.start()
    with pytest.raises(HalfMade, match="cancelled while waiting for"):
        engine.create(engine.urn("core/v1:Pod"), {"metadata": {"name": "p"}, "spec": {}})
    timer.join()


def test_preview_of_an_update_keeps_what_is_known(engine: Engine, fake: FakeApi) -> None:
    """With a value that is not known yet, the rest of the outputs stays; with all known the server is asked."""
    state = engine.create(engine.urn(MAP), FIXED)
    later = engine.update(state, {**FIXED, "data": {"a": UNKNOWN}}, preview=True)
    assert later["data"] == {"a": UNKNOWN}
    assert later["metadata"]["uid"] == state.outputs["metadata"]["uid"]
    shown = engine.update(state, {**FIXED, "data": {"a": "2"}}, preview=True)
    assert shown["data"] == {"a": "2"}
    assert fake.objects[PATH]["data"] == {"a": "1"}
