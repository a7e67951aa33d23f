"""What is a difference, what needs a new object, what has drifted, and what two spellings mean."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.providers.kubernetes import difference, drift, quantities, replacing, secrecy, tokens
from engine.providers.kubernetes.refusal import RefusalError
from engine.values import UNKNOWN, Secret
from tests.unit.engine.providers.kubernetes.driver import Engine

NAMED = {"metadata": {"name": "x", "namespace": "n"}}


def thing(kind: str, api_version: str = "v1", **body: Any) -> dict[str, Any]:
    """An object."""
    return {"apiVersion": api_version, "kind": kind, **NAMED, **body}


def compared(old: Any, new: Any, mutable: frozenset[str] = frozenset(), ignore: tuple[str, ...] = ()) -> Any:
    """Diff's answer, with the live object as the old inputs say."""
    return difference.answer(old, new, old, list(ignore), mutable)


@pytest.mark.parametrize(
    ("kind", "version", "path", "old", "new", "replaced"),
    [
        ("Deployment", "apps/v1", "spec.selector.matchLabels.a", "1", "2", True),
        ("Deployment", "apps/v1", "spec.replicas", 1, 2, False),
        ("DaemonSet", "apps/v1", "spec.selector", {}, {"matchLabels": {"a": "2"}}, True),
        ("StatefulSet", "apps/v1", "spec.serviceName", "a", "b", True),
        ("Job", "batch/v1", "spec.template.spec.x", 1, 2, True),
        ("Job", "batch/v1", "spec.suspend", True, False, False),
        ("Pod", "v1", "spec.containers", [{"image": "a"}], [{"image": "b"}], True),
        ("Pod", "v1", "spec.containers", [{"image": "a"}], [{"image": "a"}, {"image": "b"}], True),
        ("Pod", "v1", "spec.tolerations", [], [{"key": "a"}], False),
        ("Service", "v1", "spec.clusterIP", "None", None, True),
        ("Service", "v1", "spec.type", "ClusterIP", "NodePort", False),
        ("PersistentVolumeClaim", "v1", "spec.storageClassName", "a", "b", True),
        ("PersistentVolumeClaim", "v1", "spec.resources.requests.storage", "1Gi", "2Gi", False),
        ("RoleBinding", "rbac.authorization.k8s.io/v1", "roleRef.name", "a", "b", True),
        ("StorageClass", "storage.k8s.io/v1", "provisioner", "a", "b", True),
        ("ConfigMap", "v1", "data.a", "1", "2", True),
        ("Secret", "v1", "stringData.a", "1", "2", True),
        ("ConfigMap", "other.io/v1", "data.a", "1", "2", False),
    ],
)
def test_replace_triggers(kind: str, version: str, path: str, old: Any, new: Any, replaced: bool) -> None:
    """Each is a change, and a replacement exactly where the table says."""

    def with_value(value: Any) -> Any:
        for key in reversed(path.split(".")):
            value = {key: value}
        return thing(kind, version, **value)

    answer = compared(with_value(old), secrecy.plain(with_value(new)))
    assert answer.diffs
    assert bool(answer.replaces) is replaced


def test_mutable_contents_and_immutable_ones() -> None:
    """With enableConfigMapMutable contents change in place, unless the object itself is immutable."""
    old, new = thing("ConfigMap", data={"a": "1"}), thing("ConfigMap", data={"a": "2"})
    mutable = frozenset({"ConfigMap"})
    assert not compared(old, new, mutable).replaces
    assert compared(old, {**new, "immutable": True}, mutable).replaces


def test_delete_before_replace_only_for_a_name_that_stays() -> None:
    """A fixed name makes the old one go first; an automatic one, a new one or another namespace does not."""
    old = thing("ConfigMap", data={"a": "1"})
    new = thing("ConfigMap", data={"a": "2"})
    assert compared(old, new).deleteBeforeReplace
    automatic = {"metadata": {**NAMED["metadata"], "annotations": {"pulumi.com/autonamed": "true"}}}
    assert not compared({**old, **automatic}, {**new, **automatic}).deleteBeforeReplace
    for place in ({"name": "y", "namespace": "n"}, {"name": "x", "namespace": "m"}):
        answer = compared(old, {**new, "metadata": place})
        assert answer.replaces
        assert not answer.deleteBeforeReplace


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"spec": {"hard": {"cpu": "1000m"}}}, {"spec": {"hard": {"cpu": 1}}}),
        ({"spec": {"limits": {"memory": "0.5Gi"}}}, {"spec": {"limits": {"memory": "512Mi"}}}),
        ({"metadata": {**NAMED["metadata"], "uid": "1"}}, {}),
        ({"metadata": {"name": "x"}}, {"metadata": {"name": "x", "namespace": "default"}}),
        ({"spec": {}}, {}),
        ({"apiVersion": "core/v1"}, {}),
        ({"status": {"a": 1}}, {}),
    ],
)
def test_other_spellings_are_no_difference(old: Any, new: Any) -> None:
    """What means the same to the cluster is the same."""
    assert not compared(thing("Thing", **old), thing("Thing", **new)).diffs


def test_secret_in_the_clear_and_coded_is_one() -> None:
    """stringData and the same in data are no difference."""
    coded = thing("Secret", data={"a": "b3Blbg=="})
    assert not compared(coded, thing("Secret", stringData={"a": "open"})).diffs
    assert compared(coded, thing("Secret", stringData={"a": UNKNOWN})).diffs


def test_ignored_paths_and_details() -> None:
    """An ignored path is no difference; details name paths, kinds and what replaces."""
    old, new = thing("Service", spec={"a": 1, "b": 1}), thing("Service", spec={"a": 2, "c.d": 1})
    answer = compared(old, new, ignore=("spec.a",))
    kinds = {path: detail.Kind.Name(detail.kind) for path, detail in answer.detailedDiff.items()}
    assert kinds == {"spec.b": "DELETE", 'spec["c.d"]': "ADD"}
    assert not compared(old, {**old, "spec": {**old["spec"], "a": 2}}, ignore=("spec",)).diffs


def test_drift_keeps_the_programs_spelling() -> None:
    """What the cluster spells otherwise stays as the program wrote it; what changed there since does not."""
    inputs: Any = thing(
        "Pod", spec={"limits": {"cpu": "1000m"}, "empty": {}, "name": "a", "list": [{"x": 1}], "gone": 1}
    )
    before = thing(
        "Pod", spec={"limits": {"cpu": "1"}, "name": "a", "list": [{"x": 1, "default": 2}], "gone": 1}
    )
    assert drift.observed(inputs, before, before) == inputs
    now = thing(
        "Pod", spec={"limits": {"cpu": "2"}, "name": "b", "list": [{"x": 3, "default": 2}], "more": 1}
    )
    found: Any = drift.observed(inputs, before, now)
    assert found["spec"] == {"limits": {"cpu": "2"}, "empty": {}, "name": "b", "list": [{"x": 3}]}
    longer = {**before, "spec": {**before["spec"], "list": [{"x": 1, "default": 2}, {"x": 9}]}}
    grown: Any = drift.observed(inputs, before, longer)
    assert grown["spec"]["list"] == [{"x": 1, "default": 2}, {"x": 9}]


def test_what_the_server_wrote_otherwise_is_no_drift() -> None:
    """A value that the server rewrote when it was made, in a way nobody here knows, stays as the program has it."""
    inputs: Any = thing("Thing", spec={"schedule": "@Daily", "list": ["B", "A"]})
    kept = thing("Thing", spec={"schedule": "0 0 * * *", "list": ["A", "B"]})
    assert drift.observed(inputs, kept, kept) == inputs
    changed: Any = drift.observed(
        inputs, kept, thing("Thing", spec={"schedule": "1 0 * * *", "list": ["A", "B"]})
    )
    assert changed["spec"] == {"schedule": "1 0 * * *", "list": ["B", "A"]}


def test_drift_of_a_secret_stays_secret() -> None:
    """A changed value of a secret input is secret."""
    inputs: Any = thing("Secret", stringData=Secret({"a": "old"}))
    before, now = thing("Secret", data={"a": "b2xk"}), thing("Secret", data={"a": "bmV3"})
    assert drift.observed(inputs, before, now)["stringData"] == Secret({"a": "new"})


@given(st.decimals(min_value=0, max_value=10**6, places=3))
def test_quantities_agree_across_units(number: Any) -> None:
    """A number in units, thousandths and kilo is one amount."""
    assert quantities.amount(str(number)) == quantities.amount(f"{number * 1000}m") == number
    assert quantities.amount(f"{number}Ki") == number * 1024


@pytest.mark.parametrize("word", ["", "1x", "Mi", "1.2.3", True, None, "1 Gi"])
def test_what_is_no_quantity(word: Any) -> None:
    """A word is no amount, and two words are the same only when they are."""
    assert quantities.amount(word) is None
    assert not quantities.same(("spec", "name"), "1", "1000m")


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("kubernetes:core/v1:Pod", ("v1", "Pod")),
        ("kubernetes:apps/v1:Deployment", ("apps/v1", "Deployment")),
        ("kubernetes:stable.example.com/v1beta2:CronTab", ("stable.example.com/v1beta2", "CronTab")),
        ("kubernetes:lab.example.com/v1:AllowList", ("lab.example.com/v1", "AllowList")),
    ],
)
def test_type_tokens(type_: str, kind: tuple[str, str]) -> None:
    """Any group, version and kind can be said."""
    assert tokens.kind_of(type_) == kind


@pytest.mark.parametrize(
    "type_",
    [
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:kustomize/v2:Directory",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:apps/v1:DeploymentPatch",
        "kubernetes:apps/v1:DeploymentList",
        "kubernetes:index:Thing",
    ],
)
def test_types_that_are_left_out(type_: str) -> None:
    """Each is refused by name."""
    with pytest.raises(RefusalError, match=f"{type_} is not implemented") as refused:
        tokens.kind_of(type_, {"kind": "Deployment"})
    assert refused.value.code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("annotation", "value", "says"),
    [
        ("timeoutSeconds", "soon", "whole number of seconds"),
        ("skipAwait", "yes", 'must be "true" or "false"'),
        ("deletionPropagationPolicy", "never", "foreground, background, orphan"),
        ("waitFor", "ready", 'expected a "jsonpath=" or "condition=" prefix'),
        ("waitFor", "jsonpath={.items[*].x}", "only members and indexes are implemented"),
        ("waitFor", "[]", "at least one condition"),
    ],
)
def test_bad_annotations_are_refused(engine: Engine, annotation: str, value: str, says: str) -> None:
    """An annotation that cannot be carried out is refused in Check, by name."""
    metadata = {"name": "x", "annotations": {f"pulumi.com/{annotation}": value}}
    (failure,) = engine.check(engine.urn("core/v1:ConfigMap"), {"metadata": metadata}).failures
    assert failure.property == f'metadata.annotations["pulumi.com/{annotation}"]'
    assert says in failure.reason


def test_names_that_cannot_be_made(engine: Engine) -> None:
    """generateName is refused; a kind that is not the type's is a fault."""
    with pytest.raises(grpc.RpcError, match="generateName does not go with server-side apply"):
        engine.check(engine.urn("core/v1:ConfigMap"), {"metadata": {"generateName": "x-"}})
    (failure,) = engine.check(engine.urn("core/v1:ConfigMap"), {"kind": "Secret"}).failures
    assert failure.property == "kind"


def test_functions_are_refused(engine: Engine) -> None:
    """ConfigFile and Chart end at a function that says what is left out."""
    from pulumi.runtime.proto import provider_pb2

    with pytest.raises(grpc.RpcError, match="the function kubernetes:yaml:decode is not implemented"):
        engine.stub.Invoke(provider_pb2.InvokeRequest(tok="kubernetes:yaml:decode"))


def test_every_trigger_is_a_path() -> None:
    """The table holds paths that can be read."""
    for (group, kind), fields in replacing.TABLE.items():
        found = replacing.triggers({"apiVersion": f"{group}/v1" if group else "v1", "kind": kind})
        assert len(found) >= len(fields) + len(replacing.IDENTITY)


def test_copy_that_kubectl_leaves_is_sealed() -> None:
    """The last-applied annotation of a Secret is as secret as the data it repeats."""
    key = "kubectl.kubernetes.io/last-applied-configuration"
    found: Any = secrecy.sealed({"kind": "Secret", "metadata": {"annotations": {key: "all of it", "x": "y"}}})
    assert found["metadata"]["annotations"] == {key: Secret("all of it"), "x": "y"}


def test_words_of_json_schema_are_spelled_both_ways() -> None:
    """x_kubernetes_ of the SDK is x-kubernetes- of the cluster."""
    inputs: Any = {"spec": {"x_kubernetes_int_or_string": True}}
    assert secrecy.plain(inputs) == {"spec": {"x-kubernetes-int-or-string": True}}
    assert secrecy.spelled_for_sdk(secrecy.plain(inputs)) == inputs


def test_replace_unready_job(engine: Engine, fake: Any) -> None:
    """A Job with replaceUnready that failed is replaced although nothing changed."""
    metadata: Any = {
        "name": "j",
        "annotations": {"pulumi.com/replaceUnready": "true", "pulumi.com/skipAwait": "true"},
    }
    news = {"metadata": metadata, "spec": {"template": {}}}
    state = engine.create(engine.urn("batch/v1:Job"), news)
    fake.status(
        "/apis/batch/v1/namespaces/default/jobs/j", conditions=[{"type": "Complete", "status": "True"}]
    )
    assert not engine.diff(state, news).replaces
    awaited = SimpleNamespace(**vars(state))
    metadata["annotations"].pop("pulumi.com/skipAwait")
    fake.status("/apis/batch/v1/namespaces/default/jobs/j", conditions=[{"type": "Failed", "status": "True"}])
    answer = engine.diff(awaited, news)
    assert 'metadata.annotations["pulumi.com/replaceUnready"]' in list(answer.replaces)
    assert answer.deleteBeforeReplace
