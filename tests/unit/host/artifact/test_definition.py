"""service.toml: what is accepted, and that each mistake is one line naming file and key."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from host.artifact.build import OURS
from host.artifact.definition import Definition, read
from machine.errors import InvalidInput
from tests.unit.host.artifact.conftest import GOOD

Toml = Callable[..., Path]

MISTAKES = [
    ("port = 8080", "port = 0", "'port' must be from 1 to 65535, not 0"),
    ("port = 8080", "port = true", "'port' must be of type int, not True"),
    ("port = 8080", "prot = 8080", "'port' is missing"),
    ("port = 8080", "port = 8080\nprot = 1", "unknown key 'prot'"),
    ('name = "service"', 'name = "My Service"', "'name' must be lower-case letters"),
    ('name = "service"', 'name = "null"', "'name' must be"),
    ('["python3.11-minimal"]', "[]", "'packages' names none"),
    ('["python3.11-minimal"]', "[3]", "'packages' must be a list of texts"),
    ('["python3.11-minimal"]', '["a b"]', "'packages': 'a b' is not the name of a Debian package"),
    ('["python3.11-minimal"]', '["-o=x"]', "'packages': '-o=x' is not the name of a Debian package"),
    ('"{root}/usr/bin/python3.11"', '"python3"', "'command' must start with a program of the tree"),
    ('"{root}/srv/app.py"', '"{prot}"', "'command': unknown mark {prot}"),
    ("port = 8080", 'port = 8080\nhealth = "ready"', "'health' must be a path"),
    ("port = 8080", 'port = 8080\nwritable = ["data"]', "'writable': 'data' must be an absolute path"),
    ("port = 8080", 'port = 8080\n[files]\n"/../x" = "x"', "'files': '/../x' must be an absolute path"),
    (
        "port = 8080",
        'port = 8080\n[files]\n"/x" = "nowhere"',
        "'files': /x = 'nowhere': there is no such file",
    ),
    ("port = 8080", "port = 8080\n[environment]\nA = 1", "'environment': A must be a text"),
    ("port = 8080", "port = ", "Invalid value"),
]


@pytest.mark.parametrize(("good", "bad", "said"), MISTAKES, ids=[said for _, _, said in MISTAKES])
def test_a_mistake_is_one_line_that_names_file_and_key(toml: Toml, good: str, bad: str, said: str) -> None:
    """InvalidInput, exit code 2, one line."""
    path = toml(start=GOOD.replace(good, bad))

    with pytest.raises(InvalidInput) as caught:
        read(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is said to be that."""
    with pytest.raises(InvalidInput, match=r"service\.toml: No such file"):
        read(tmp_path / "service.toml")


def test_marks_are_filled_in_where_the_tree_is_the_root(definition: Definition) -> None:
    """Inside a container `{root}` is nothing."""
    assert definition.command_inside() == ["/usr/bin/python3.11", "/srv/app.py"]


def test_a_template_has_the_same_marks(toml: Toml, tmp_path: Path) -> None:
    """A source that ends in .in is rendered; braces of its own stay."""
    (tmp_path / "app.conf.in").write_text("server { listen {port}; root {root}/srv; }")

    found = read(toml('[files]\n"/etc/app.conf" = "app.conf.in"\n'))

    assert found.inside(found.templates()["/etc/app.conf"]) == "server { listen 8080; root /srv; }"


@pytest.mark.parametrize(
    "path", [OURS, OURS.parents[1] / "examples/nginx/service.toml"], ids=["ours", "nginx"]
)
def test_the_definitions_that_ship_are_right(path: Path) -> None:
    """Ours and the example are accepted, wherever they are read from."""
    assert read(Path(os.path.relpath(path))).port == 8080
