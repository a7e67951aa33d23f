"""State files and exports: what comes back, what is kept, what is refused."""

from __future__ import annotations

import gc
import json
import math
import re
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import WrongUse
from engine.state import checkpoint, fragments, resource_json
from engine.state.property_json import compact, decode, encode, shown
from engine.state.resource import PendingOperation, Resource
from engine.state.secrets import Cipher
from engine.state.snapshot import Snapshot, magic, problems
from engine.values import SECRET, SIGNATURE, UNKNOWN, Secret, Value, without_secrets

STACK = "urn:pulumi:dev::demo::pulumi:pulumi:Stack::demo-dev"
REFERENCE = "organization/demo/dev"


def unused(salt: str = "") -> NoReturn:
    """A cipher source that must not be asked."""
    raise AssertionError("no secret was there, but a cipher was asked for")


def document(**latest: Any) -> dict[str, Any]:
    """A state file's content."""
    return {"version": 3, "checkpoint": {"stack": REFERENCE, "latest": {"manifest": {}, **latest}}}


def load(raw: Any) -> Snapshot:
    """The snapshot of a document without secrets."""
    return checkpoint.load(json.dumps(raw).encode(), unused)


def full() -> Resource:
    """A resource with every field set."""
    return Resource(
        urn="urn:pulumi:dev::demo::x:y:Z::z",
        type="x:y:Z",
        custom=True,
        id="1",
        inputs={"a": [1, 2.5, None, True, "<&>é"], "b": {"z": 1, "a": {}}},
        outputs={"o": ""},
        parent=STACK,
        provider="urn:pulumi:dev::demo::pulumi:providers:x::default::id",
        protect=True,
        external=True,
        delete=True,
        pending_replacement=True,
        retain_on_delete=True,
        deleted_with=STACK,
        dependencies=[STACK],
        property_dependencies={"a": [STACK], "b": []},
        init_errors=["late"],
        additional_secret_outputs=["o"],
        aliases=["urn:old"],
        ignore_changes=["a"],
        replace_on_changes=["b"],
        custom_timeouts={"create": 60.0},
        import_id="i",
        created="2026-01-01T00:00:00Z",
        modified="2026-01-02T00:00:00Z",
        extra={"sourcePosition": "project:///x.py#1", "hideDiff": [["a", 1]]},
    )


def test_every_field_comes_back() -> None:
    """A resource with every field set is read as it was written, with the fields this engine does not use."""
    snapshot = Snapshot([Resource(STACK, "pulumi:pulumi:Stack", False), full()])
    again = checkpoint.load(checkpoint.dump(snapshot, REFERENCE), unused)
    assert again.resources == snapshot.resources


def test_form_of_the_file() -> None:
    """The file is compact, is not HTML-escaped, leaves out what is empty, and its magic is that of its version."""
    text = checkpoint.dump(Snapshot([Resource(STACK, "t", False, outputs={"a": "<é>"})]), REFERENCE).decode()
    assert text.startswith(
        '{"version":3,"checkpoint":{"stack":"organization/demo/dev","latest":{"manifest":{"time":'
    )
    assert (
        f'"resources":[{{"urn":"{STACK}","custom":false,"type":"t","outputs":{{"a":"<é>"}}}}],"metadata":{{}}'
        in text
    )
    manifest = json.loads(text)["checkpoint"]["latest"]["manifest"]
    assert manifest["magic"] == magic(manifest["version"]) != ""


def test_text_of_a_state_made_by_pulumi_does_not_change(cipher: Cipher) -> None:
    """Reading and writing a state in Pulumi's order of members gives the same text, ciphertexts included."""
    sealed = {SIGNATURE: SECRET, "ciphertext": cipher.encrypt('"hunter\\u003c2"', "elsewhere")}
    resources = [
        {
            "urn": STACK,
            "custom": False,
            "type": "t",
            "inputs": {"a": 1, "p": sealed},
            "created": "2026",
            "taint": False,
        }
    ]
    raw = document(
        secrets_providers={"type": "passphrase", "state": {"salt": cipher.salt}}, resources=resources
    )
    again = checkpoint.dump(checkpoint.load(json.dumps(raw).encode(), lambda _: cipher), REFERENCE, cipher)
    assert json.dumps(json.loads(again)["checkpoint"]["latest"]["resources"]) == json.dumps(resources)


def test_pending_operations_come_back() -> None:
    """What was under way is written with its kind and read again."""
    pending = [PendingOperation(full(), "creating")]
    again = checkpoint.load(checkpoint.dump(Snapshot([], pending), REFERENCE), unused)
    assert again.pending == pending


def test_secrets_are_encrypted_and_flattened(cipher: Cipher) -> None:
    """No plaintext is in the file, an inner secret is part of the outer one, and the salt goes with it."""
    snapshot = Snapshot([Resource(STACK, "t", False, outputs={"a": Secret({"b": Secret("hunter2")})})])
    data = checkpoint.dump(snapshot, REFERENCE, lambda: cipher)
    assert b"hunter2" not in data
    again = checkpoint.load(data, lambda salt: Cipher.open(salt, "a passphrase"))
    assert again.salt == cipher.salt
    assert again.resources[0].outputs == {"a": Secret({"b": "hunter2"})}


def test_inner_secret_of_the_official_engine_is_read(cipher: Cipher) -> None:
    """Inside a secret the official engine leaves the inner one's ciphertext plain; both layers are opened."""
    inner = json.dumps([{SIGNATURE: SECRET, "ciphertext": '"x"'}])
    raw = {SIGNATURE: SECRET, "ciphertext": cipher.encrypt(inner)}
    assert decode(raw, cipher.decrypt) == Secret(["x"])


def test_no_cipher_without_a_secret() -> None:
    """A salt alone derives no key, neither to read nor to write, and stays."""
    raw = document(secrets_providers={"type": "passphrase", "state": {"salt": "v1:s"}})
    snapshot = load(raw)
    assert b'"salt":"v1:s"' in checkpoint.dump(snapshot, REFERENCE, unused)


def test_a_secret_without_a_cipher_is_refused() -> None:
    """A secret is never written plain because no passphrase was there."""
    with pytest.raises(WrongUse, match="has a secret"):
        checkpoint.dump(Snapshot([Resource(STACK, "t", False, outputs={"a": Secret(1)})]), REFERENCE)


@pytest.mark.parametrize("show", [False, True])
def test_export_and_import(cipher: Cipher, show: bool) -> None:
    """An export with hidden or with shown secrets is read back."""
    snapshot = Snapshot([Resource(STACK, "t", False, outputs={"a": Secret({"k": [1]})})])
    data = checkpoint.export(snapshot, cipher, show_secrets=show)
    assert (b"plaintext" in data) is show
    assert checkpoint.load_export(data, lambda _: cipher).resources == snapshot.resources


def test_import_of_something_else_is_refused() -> None:
    """A state file is not an export, and text is neither."""
    with pytest.raises(WrongUse, match="not an exported stack"):
        checkpoint.load_export(json.dumps(document()).encode(), unused)
    with pytest.raises(WrongUse, match="cannot be read"):
        checkpoint.load_export(b"[]", unused)


@pytest.mark.parametrize("secret", [{}, {"plaintext": "1", "ciphertext": "2"}, {"ciphertext": 3}])
def test_a_malformed_secret_is_refused(secret: dict[str, Any]) -> None:
    """A secret has either a ciphertext or a plaintext."""
    with pytest.raises(WrongUse, match="malformed secret"):
        load(
            document(resources=[{"urn": STACK, "type": "t", "outputs": {"a": {SIGNATURE: SECRET, **secret}}}])
        )


def test_fresh_stack_of_version_0() -> None:
    """A stack that never ran is empty."""
    assert load({"version": 0, "checkpoint": {"stack": REFERENCE}}) == Snapshot()


def test_version_1_is_upgraded() -> None:
    """In a state of version 1 every input depends on all dependencies, and `defaults` is gone."""
    resource = {
        "urn": STACK,
        "type": "t",
        "custom": True,
        "inputs": {"a": 1},
        "defaults": {},
        "dependencies": ["d"],
    }
    raw = document(resources=[resource]) | {"version": 1}
    upgraded = load(raw).resources[0]
    assert upgraded.property_dependencies == {"a": ["d"]}
    assert upgraded.extra == {}


def test_version_4_stays_what_it_is() -> None:
    """Members this engine does not use keep the file at version 4, with their features."""
    resource = {"urn": STACK, "custom": True, "type": "t", "viewOf": "urn:v", "taint": True}
    raw = document(resources=[resource], snippets=[{"uuid": "1"}]) | {"version": 4, "features": ["views"]}
    again = json.loads(checkpoint.dump(load(raw), REFERENCE))
    assert (again["version"], again["features"]) == (4, ["taint", "views"])
    assert again["checkpoint"]["latest"]["resources"] == [resource]
    assert again["checkpoint"]["latest"]["snippets"] == [{"uuid": "1"}]


def test_byte_strings_need_version_4(cipher: Cipher) -> None:
    """A byte string, also one inside a secret, declares its feature."""
    value: Value = {SIGNATURE: "803fd3297a5875dc03ca845dda5d2a98", "value": "AA=="}
    for outputs in ({"a": value}, {"a": Secret(value)}):
        data = checkpoint.dump(
            Snapshot([Resource(STACK, "t", False, outputs=dict(outputs))]), REFERENCE, cipher
        )
        assert json.loads(data)["features"] == ["byteString"]


def test_what_is_too_new_is_refused() -> None:
    """A later version, an unknown feature and another secrets provider are named."""
    with pytest.raises(WrongUse, match="version 5"):
        load(document() | {"version": 5})
    with pytest.raises(WrongUse, match="teleport"):
        load(document() | {"version": 4, "features": ["teleport", "hooks"]})
    with pytest.raises(WrongUse, match="awskms"):
        load(document(secrets_providers={"type": "awskms"}))


def test_texts_are_made_once_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second save makes no text again, a copy gets its own, and nothing outlives its resource."""
    made: list[str] = []
    original = resource_json.to_json

    def counted(resource: Resource, secret: Any) -> dict[str, Any]:
        made.append(resource.urn)
        return original(resource, secret)

    monkeypatch.setattr(resource_json, "to_json", counted)
    gc.collect()
    before = len(fragments._made)
    resource = full()
    for _ in range(3):
        checkpoint.dump(Snapshot([resource]), REFERENCE)
    assert len(made) == 1
    copied = resource.copy()
    copied.outputs["o"] = "changed"
    assert b"changed" in checkpoint.dump(Snapshot([copied]), REFERENCE)
    del resource, copied
    assert len(fragments._made) == before


def test_another_salt_encrypts_anew(cipher: Cipher) -> None:
    """After the cipher was changed no ciphertext of the old one is written."""
    snapshot = Snapshot([Resource(STACK, "t", False, outputs={"a": Secret(1)})])
    checkpoint.dump(snapshot, REFERENCE, cipher)
    other = Cipher.create("another")
    again = checkpoint.load(
        checkpoint.dump(snapshot, REFERENCE, other), lambda salt: Cipher.open(salt, "another")
    )
    assert again.resources == snapshot.resources
    assert again.salt == other.salt


_leaf = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()
_values = st.recursive(
    _leaf | st.just(UNKNOWN),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | inner.map(Secret),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(_values)
def test_values_come_back(value: Any) -> None:
    """Any value survives being written as JSON, but for secrets inside secrets."""
    text = compact(encode(value, shown))
    again = decode(json.loads(text.encode()), unused)
    assert again == _flat(value)


def _flat(value: Any) -> Any:
    if isinstance(value, Secret):
        return Secret(without_secrets(value.value))
    if isinstance(value, list):
        return [_flat(item) for item in value]
    if isinstance(value, dict):
        return {key: _flat(item) for key, item in value.items()}
    return value


def test_odd_values() -> None:
    """NaN and a lone surrogate are written so that every JSON reader accepts them."""
    assert math.isnan(decode(json.loads(compact(encode(math.nan, shown))), unused))  # type: ignore[arg-type]
    assert compact("\ud800").encode() == b'"\\ud800"'


PROVIDER = Resource("urn:pulumi:dev::demo::pulumi:providers:x::p", "pulumi:providers:x", True, id="1")


def _resource(name: str, **fields: Any) -> Resource:
    return Resource(f"urn:pulumi:dev::demo::x:y:Z::{name}", "x:y:Z", True, id="1", **fields)


A = _resource("a")


@pytest.mark.parametrize(
    ("resources", "complaint"),
    [
        ([Resource("", "t", False)], "resource at index 0 has no URN"),
        ([Resource(STACK, "", False)], "no type"),
        ([Resource(STACK, "t", False, id="1")], "component but has an id"),
        ([_resource("b", provider="nonsense")], "malformed provider"),
        ([_resource("b", provider=f"{PROVIDER.urn}::1"), PROVIDER], "unknown provider"),
        ([_resource("b", parent=A.urn)], "parent .* is missing"),
        ([_resource("b", parent=A.urn), A], "parent .* comes after it"),
        ([_resource("b", dependencies=[A.urn]), A], "dependency .* comes after"),
        ([_resource("b", property_dependencies={"k": [A.urn]})], "property k .* is missing"),
        ([_resource("b", deleted_with=A.urn)], "deletedWith .* is missing"),
        ([_resource("b", extra={"replaceWith": [A.urn]})], "replaceWith .* is missing"),
        ([A, _resource("a")], "2 times without being marked"),
    ],
)
def test_broken_rules_are_found(resources: list[Resource], complaint: str) -> None:
    """Each integrity rule has a snapshot that breaks it, and is then named."""
    found = problems(Snapshot(resources))
    assert len(found) == 1
    assert re.search(complaint, found[0])


def test_a_sound_snapshot_has_no_problems() -> None:
    """Order, providers, replaced states that wait for their deletion, and a right magic are no problem."""
    waiting = _resource("a", delete=True)
    gone = _resource(
        "c", provider="urn:pulumi:dev::demo::pulumi:providers:x::gone::9", pending_replacement=True
    )
    used = _resource(
        "b", provider=f"{PROVIDER.urn}::1", dependencies=[A.urn], property_dependencies={"k": []}
    )
    manifest = {"version": "v1", "magic": magic("v1")}
    assert problems(Snapshot([PROVIDER, A, waiting, used, gone], manifest=manifest)) == []
    assert problems(Snapshot(manifest={"version": "v2", "magic": magic("v1")})) != []
