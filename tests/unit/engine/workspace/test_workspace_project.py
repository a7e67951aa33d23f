"""Pulumi.yaml: what is understood and what is refused, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import WrongUse
from engine.workspace import project
from engine.workspace.project import Project
from engine.workspace.yaml_text import read_mapping


def load(tmp_path: Path, text: str) -> Project:
    """The project of a text."""
    path = tmp_path / "Pulumi.yaml"
    path.write_text(text)
    return project.load(path)


def test_a_whole_project(tmp_path: Path) -> None:
    """Everything the engine uses is read, paths relative to the file."""
    text = """
name: demo
description: d
runtime: {name: python, options: {virtualenv: .venv, toolchain: pip}}
main: src
stackConfigDir: stacks
backend: {url: "file://~/states"}
"""
    found = load(tmp_path, text)
    assert (found.name, found.description, found.backend_url) == ("demo", "d", "file://~/states")
    assert found.root == tmp_path
    assert found.program == tmp_path / "src"
    assert found.virtualenv == tmp_path / ".venv"
    assert found.stack_file("dev") == tmp_path / "stacks/Pulumi.dev.yaml"
    assert found.config == {}


def test_the_least(tmp_path: Path) -> None:
    """A name and a runtime are enough; the program is the directory and the interpreter the engine's own."""
    found = load(tmp_path, "{name: demo, runtime: python}")
    assert found.program == tmp_path
    assert found.virtualenv is None
    assert found.stack_file("dev") == tmp_path / "Pulumi.dev.yaml"


def test_found_from_below(tmp_path: Path) -> None:
    """The file is found from any directory below it, and its absence is said."""
    deep = tmp_path / "a/b"
    deep.mkdir(parents=True)
    with pytest.raises(WrongUse, match=r"no Pulumi\.yaml in .*/a/b or above"):
        project.find(deep)
    (tmp_path / "Pulumi.yaml").touch()
    assert project.find(deep) == tmp_path / "Pulumi.yaml"


def test_schema(tmp_path: Path) -> None:
    """Long and short forms, types, defaults and keys of other namespaces are read."""
    text = """
name: demo
runtime: python
config:
  size: {type: integer, default: 3}
  need: {type: string, secret: true, description: why}
  any: {}
  demo:short: text
  list: [1, 2]
  nested: {type: array, items: {type: array, items: {type: boolean}}, default: [[true]]}
  docker:host: {value: unix}
  aws:region: here
"""
    config = load(tmp_path, text).config
    assert list(config) == [
        *("demo:size", "demo:need", "demo:any", "demo:short", "demo:list", "demo:nested"),
        *("docker:host", "aws:region"),
    ]
    assert [key.name for key in config.values() if key.required] == ["demo:need", "demo:any"]
    assert config["demo:need"].secret
    assert config["demo:nested"].type_name == "array<array<boolean>>"
    assert config["demo:short"].default == "text"
    assert config["docker:host"].default == "unix"


def test_old_spelling_of_the_directory(tmp_path: Path) -> None:
    """`config: DIRECTORY` is what stackConfigDir was once; both together are refused."""
    assert load(tmp_path, "{name: d, runtime: python, config: conf}").stack_config_dir == "conf"
    with pytest.raises(WrongUse, match="both name a directory"):
        load(tmp_path, "{name: d, runtime: python, config: conf, stackConfigDir: x}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("runtime: python", "has no name"),
        ("{nam: demo, runtime: python}", "did you mean 'nam'"),
        ("{name: a b, runtime: python}", "project name 'a b'"),
        ("name: demo", "runtime None"),
        ("{name: demo, runtime: nodejs}", "runtime 'nodejs'"),
        ("{name: demo, runtime: python, mian: x}", "did you mean 'main'"),
        ("{name: demo, runtime: python, main: [x]}", "'main' is not a string"),
        ("[1]", "is not a mapping"),
        ("name: [", "line 1"),
        ("name: a\nname: b\nruntime: python", "line 2: the key 'name' is there twice"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """A mistake is named in one line with the file."""
    with pytest.raises(WrongUse, match=complaint) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "Pulumi.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("k: {type: strnig}", "unknown type 'strnig'"),
        ("k: {tpye: string}", "unknown attribute 'tpye'"),
        ("k: {type: array}", "needs 'items'"),
        ("k: {type: array, items: {type: array}}", "needs 'items'"),
        ("k: {default: 1, value: 2}", "cannot both"),
        ("k: {type: integer, default: many}", "is not of type integer"),
        ("k: {type: array, items: {type: integer}, default: [a]}", "is not of type array<integer>"),
        ("k:", "neither a value"),
        ("x:k: {type: string, value: a}", "another namespace"),
        ("x:k: {default: a}", "another namespace"),
    ],
)
def test_mistakes_in_the_schema(tmp_path: Path, key: str, complaint: str) -> None:
    """A key of the schema that makes no sense is named."""
    with pytest.raises(WrongUse, match=complaint):
        load(tmp_path, f"name: demo\nruntime: python\nconfig:\n  {key}\n")


def test_yaml_is_that_of_the_official_engine(tmp_path: Path) -> None:
    """What YAML 1.1 took for booleans, times and dates are strings (compared with the official CLI)."""
    path = tmp_path / "x.yaml"
    path.write_text(
        "a: yes\nb: 1:30\nc: 2024-01-01\nd: 007\ne: 1e3\nf: 0x10\ng: ~\nh: off\ni: 1_000\nj: true\nk: '1'\n"
    )
    assert read_mapping(path) == {
        "a": "yes",
        "b": "1:30",
        "c": "2024-01-01",
        "d": 7,
        "e": 1000.0,
        "f": 16,
        "g": None,
        "h": "off",
        "i": 1000,
        "j": True,
        "k": "1",
    }
