"""A service.toml that a test changes, and a tree of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from host.artifact.definition import Definition, read

GOOD = """
name = "service"
packages = ["python3.11-minimal"]
command = ["{root}/usr/bin/python3.11", "{root}/srv/app.py"]
port = 8080
"""


@pytest.fixture
def toml(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a service.toml: GOOD, with lines after it."""

    def write(more: str = "", start: str = GOOD) -> Path:
        path = tmp_path / "service.toml"
        path.write_text(start + more)
        return path

    return write


@pytest.fixture
def definition(toml: Callable[[str], Path], tmp_path: Path) -> Definition:
    """A definition with one file."""
    (tmp_path / "app.py").write_text("print('hello')\n")
    return read(toml('[files]\n"/srv/app.py" = "app.py"\n'))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with merged /usr: a file, links of both kinds, a directory."""
    root = tmp_path / "root"
    (root / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    (root / "lib64").symlink_to("usr/lib64")
    (root / "usr/lib64").mkdir()
    (root / "usr/lib64/ld.so").symlink_to("/lib/x86_64-linux-gnu/ld.so")
    (root / "lib").symlink_to("usr/lib")
    (root / "usr/lib/x86_64-linux-gnu/ld.so").write_text("loader")
    return root
