"""A stack's configuration: what a program gets, and what `config set` leaves in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from engine.errors import WrongUse
from engine.state import secrets
from engine.state.secrets import Cipher
from engine.workspace import config, project, stack_file
from engine.workspace.config import StackConfig, full_key, get, remove, set_value
from engine.workspace.stack_file import StackFile

SCHEMA = """
name: demo
runtime: python
config:
  zone: a
  size: {type: integer, default: 3}
  names: {type: array, items: {type: string}, default: [x, y]}
  flag: {type: boolean, default: false}
  password: {type: string, secret: true, default: changeme}
"""


def unused(salt: str) -> NoReturn:
    """A cipher source that must not be asked."""
    raise AssertionError("no secret was there, but a cipher was asked for")


@pytest.fixture
def cipher(monkeypatch: pytest.MonkeyPatch) -> Cipher:
    """A new cipher, with few rounds."""
    monkeypatch.setattr(secrets, "ITERATIONS", 10)
    return Cipher.create("pw")


def write(tmp_path: Path, text: str) -> StackFile:
    """The stack file of a text."""
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(text)
    return stack_file.read(path)


def resolve(tmp_path: Path, values: str, schema: str = SCHEMA) -> StackConfig:
    """What a run gets."""
    path = tmp_path / "Pulumi.yaml"
    path.write_text(schema)
    return config.resolve(project.load(path), write(tmp_path, values), unused)


def test_values_are_texts(tmp_path: Path) -> None:
    """Strings go as they are, the rest as the official engine's JSON; defaults fill in (seen in its PULUMI_CONFIG)."""
    text = """
config:
  demo:obj: {b: "007", a: [1, 2.0, {x: null}], s: "<é>"}
  other:thing: 5
  demo:num: "12"
  demo:float: 3.0
  demo:half: 1.5
  demo:yes: yes
  demo:bool: true
  demo:none:
"""
    assert resolve(tmp_path, text).values == {
        "demo:zone": "a",
        "demo:size": "3",
        "demo:names": '["x","y"]',
        "demo:flag": "false",
        "demo:password": "changeme",
        "demo:obj": '{"a":[1,2,{"x":null}],"b":"007","s":"<é>"}',
        "other:thing": "5",
        "demo:num": "12",
        "demo:float": "3",
        "demo:half": "1.5",
        "demo:yes": "yes",
        "demo:bool": "true",
        "demo:none": "",
    }


def test_secrets_are_opened_and_named(tmp_path: Path, cipher: Cipher) -> None:
    """A secret, also one deep in a structure, is decrypted and its key is listed."""
    (tmp_path / "Pulumi.yaml").write_text(SCHEMA)
    file = StackFile(tmp_path / "Pulumi.dev.yaml")
    set_value(file, full_key("demo", "password"), "hunter2", cipher)
    set_value(file, full_key("demo", "obj.list[0]", path=True), "deep", cipher)
    stack_file.save(file)
    text = file.path.read_text()
    assert "hunter2" not in text
    assert "deep" not in text
    again = stack_file.read(file.path)
    found = config.resolve(
        project.load(tmp_path / "Pulumi.yaml"), again, lambda salt: Cipher.open(salt, "pw")
    )
    assert found.values["demo:password"] == "hunter2"
    assert found.values["demo:obj"] == '{"list":["deep"]}'
    assert found.secret_keys == {"demo:password", "demo:obj"}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ("demo:size: many", "'demo:size' must be of type integer, 'many' is not"),
        ("demo:size: 1.5", "must be of type integer"),
        ("demo:size: ", "must be of type integer"),
        ("demo:flag: yes", "must be of type boolean"),
        ("demo:names: x", "must be of type array<string>"),
        ("demo:names: [1]", "must be of type array<string>"),
        ("demo:password: plain", "must be a secret"),
        ("size: 3", "not of the form namespace:key"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, values: str, complaint: str) -> None:
    """A value that does not fit the schema is named with its key and file."""
    with pytest.raises(WrongUse, match=complaint) as caught:
        resolve(tmp_path, f"config:\n  {values}\n")
    assert "Pulumi.dev.yaml" in str(caught.value)


@pytest.mark.parametrize("value", ["5", '"5"', "5.0", "-5", '"+5"'])
def test_integers_may_be_texts(tmp_path: Path, value: str) -> None:
    """What spells an integer is one, as with the official engine."""
    assert resolve(tmp_path, f"config: {{demo:size: {value}}}").values["demo:size"].strip("+-") == "5"


def test_missing_keys_are_named(tmp_path: Path) -> None:
    """All missing keys are in one message, with the command that sets the first."""
    schema = "name: demo\nruntime: python\nconfig:\n  a: {type: string}\n  b: {}\n  c: {default: 1}\n"
    with pytest.raises(WrongUse, match="missing required config: demo:a, demo:b") as caught:
        resolve(tmp_path, "", schema)
    assert caught.value.next_command == "python -m engine config set a VALUE --stack dev"


def test_unknown_keys_are_allowed_but_likely_typos_are_not_silent(tmp_path: Path) -> None:
    """A key outside the schema is passed on, as by the official engine; one close to a key of it is warned about."""
    found = resolve(tmp_path, "config: {demo:own: 1, demo:szie: 4, other:size: 1}")
    assert found.values["demo:szie"] == "4"
    assert len(found.warnings) == 1
    assert "did you mean 'demo:size'" in found.warnings[0]


def test_a_secret_without_salt_is_refused(tmp_path: Path) -> None:
    """A secret that nothing can open is said to be one."""
    with pytest.raises(WrongUse, match="no encryptionsalt"):
        resolve(tmp_path, "config: {demo:x: {secure: 'v1:a:b'}}")


@pytest.mark.parametrize(
    ("key", "path", "full"),
    [
        ("a", False, ("demo:a", ())),
        ("x:a", False, ("x:a", ())),
        ("a.b", False, ("demo:a.b", ())),
        ("a.b[0]", True, ("demo:a", ("b", 0))),
        ("x:a.b", True, ("x:a", ("b",))),
        ('["a.b"].c', True, ("demo:a.b", ("c",))),
        ('a["b:c"]', True, ("demo:a", ("b:c",))),
    ],
)
def test_keys(key: str, path: bool, full: tuple[str, tuple[str | int, ...]]) -> None:
    """A key gets the project's namespace unless it has one; with --path the rest is a path."""
    assert full_key("demo", key, path=path) == full


@pytest.mark.parametrize("key", ["a:b:c", "", "x:"])
def test_bad_keys(key: str) -> None:
    """What is no key is refused."""
    with pytest.raises(WrongUse):
        full_key("demo", key)


@pytest.mark.parametrize(
    ("before", "key", "text", "after"),
    [
        (None, "a", "1", "1"),
        (None, "a.b", "1", {"b": 1}),
        (None, "a.b", "true", {"b": True}),
        (None, "a.b", "007", {"b": "007"}),
        (None, "a.b", "1.5", {"b": "1.5"}),
        (None, "a[0]", "x", ["x"]),
        (["x"], "a[1].k", "-2", ["x", {"k": -2}]),
        ({"b": {"c": 1}}, "a.b.d", "x", {"b": {"c": 1, "d": "x"}}),
        ("plain", "a.b", "x", {"b": "x"}),
    ],
)
def test_set(before: Any, key: str, text: str, after: Any) -> None:
    """Setting below a key makes what is missing, and coerces as the official CLI does."""
    file = StackFile(Path("Pulumi.dev.yaml"), config={} if before is None else {"demo:a": before})
    set_value(file, full_key("demo", key, path=True), text)
    assert file.config == {"demo:a": after}


@pytest.mark.parametrize(
    ("before", "key", "complaint"),
    [
        (["x"], "a[2]", "out of range"),
        (["x"], "a.b", "not possible in a list"),
        ({"b": "x"}, "a.b.c", "not possible in this value"),
        ({"b": {"secure": "v1:"}}, "a.b.c", "not possible"),
        ({}, "a.secure", "means a secret"),
    ],
)
def test_set_in_the_wrong_place(before: Any, key: str, complaint: str) -> None:
    """A path that does not fit the value is refused and nothing is changed."""
    file = StackFile(Path("Pulumi.dev.yaml"), config={"demo:a": before})
    with pytest.raises(WrongUse, match=complaint):
        set_value(file, full_key("demo", key, path=True), "x")
    assert file.config == {"demo:a": before}


def test_get_and_remove(cipher: Cipher) -> None:
    """A value is got decrypted and is known to be secret; removing says whether it was there."""
    file = StackFile(Path("Pulumi.dev.yaml"))
    key = full_key("demo", "a.b[0]", path=True)
    set_value(file, key, "s", cipher)
    assert get(file, key, lambda _: cipher) == ("s", True)
    assert get(file, full_key("demo", "a"), lambda _: cipher) == ({"b": ["s"]}, True)
    for absent in ("a.c", "a.b[1]", "a.b.x", "z"):
        with pytest.raises(KeyError):
            get(file, full_key("demo", absent, path=True), unused)
        assert not remove(file, full_key("demo", absent, path=True))
    assert remove(file, key)
    assert file.config == {"demo:a": {"b": []}}


COMMENTED = """\
# about this stack
encryptionsalt: v1:AAAA:v1:AAAA:AAAA # do not touch
config:
  # the zone
  demo:zone: "b" # quoted
  demo:config:size: 4
  demo:obj:
    # inside
    a: 1
    b: 2
  demo:list:
    - "x" # first
    # then
    - y
"""


def test_saving_keeps_what_people_wrote(tmp_path: Path) -> None:
    """Comments, order, quotes and the old spelling of a key survive a change beside them."""
    file = write(tmp_path, COMMENTED)
    assert file.config["demo:size"] == 4
    set_value(file, full_key("demo", "obj.b", path=True), "3")
    set_value(file, full_key("demo", "new"), "x")
    stack_file.save(file)
    assert file.path.read_text() == COMMENTED.replace("b: 2", "b: 3") + "  demo:new: x\n"
    remove(file, full_key("demo", "new"))
    set_value(file, full_key("demo", "obj.b", path=True), "2")
    stack_file.save(file)
    assert file.path.read_text() == COMMENTED


def test_saving_an_unchanged_file_changes_nothing(tmp_path: Path) -> None:
    """A round trip without a change gives the same text and mode."""
    file = write(tmp_path, COMMENTED)
    file.path.chmod(0o640)
    stack_file.save(file)
    assert file.path.read_text() == COMMENTED
    assert file.path.stat().st_mode & 0o777 == 0o640


def test_a_new_file(tmp_path: Path) -> None:
    """A first value makes the file, directories included, readable for a version control system; texts stay texts."""
    file = stack_file.read(tmp_path / "stacks/Pulumi.dev.yaml")
    assert file.config == {}
    for key, text in {
        "a": "1",
        "b": "true",
        "c": "yes",
        "d": "2024-01-01",
        "e": "007",
        "f": "x: y\nz",
    }.items():
        set_value(file, full_key("demo", key), text)
    stack_file.save(file)
    assert stack_file.read(file.path).config == file.config
    assert file.path.stat().st_mode & 0o777 == 0o644


def test_the_last_value_gone(tmp_path: Path) -> None:
    """Without a value there is no empty `config` left."""
    file = write(tmp_path, "config:\n  demo:a: 1\n")
    remove(file, full_key("demo", "a"))
    stack_file.save(file)
    assert file.path.read_text() == ""


@pytest.mark.parametrize(
    "line", ["secretsprovider: awskms://x", "encryptedkey: abc", "environment: [dev]", "config: [1]"]
)
def test_what_the_engine_lacks_is_refused(tmp_path: Path, line: str) -> None:
    """A file that needs the cloud is not read as if it did not."""
    with pytest.raises(WrongUse, match=r"Pulumi\.dev\.yaml"):
        write(tmp_path, line + "\n")
