"""A state that older code made is previewed, refreshed and destroyed by this code.

A dynamic resource's state refers to its provider by module and class. `states/dynamic-providers.json` was written by the
code of commit 5814460 from `states/program.py`; for it, the providers of processes, namespaces and libvirt answered
Create without creating anything. `@HOME@` stands for VMLAB_HOME. Out of scope: a real libvirtd (`tests/live`); here one
that has no objects is imitated, so that the test runs where libvirt-python is not installed.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.engine.harness import ROOT, Project

STATES = Path(__file__).with_name("states")
PROVIDERS = [
    "providers.folder", "providers.libvirt.domain", "providers.libvirt.network", "providers.libvirt.pool",
    "providers.libvirt.volume", "providers.namespaces", "providers.process", "providers.secret",
]  # fmt: skip
BASES = ("copies",)  # what providers share; no state names them
# A libvirt that has no domain, network, pool or volume.
LIBVIRT = """
class libvirtError(Exception):
    def get_error_code(self):
        return VIR_ERR_ABSENT
    def get_error_domain(self):
        return -1
    def get_error_message(self):
        return "there is none"

VIR_ERR_ABSENT = 42

def __getattr__(name):
    if name.startswith("VIR_ERR_"):
        return VIR_ERR_ABSENT
    if name.startswith("VIR_"):
        return 0
    raise AttributeError(name)

def registerErrorHandler(*_):
    pass

class Connection:
    def getLibVersion(self):
        return 12_000_000
    def close(self):
        pass
    def getCapabilities(self):
        return "<capabilities/>"
    def __getattr__(self, name):
        def call(*_):
            if name.startswith("listAll"):
                return []
            raise libvirtError(name)
        return call

def open(_uri):
    return Connection()
"""


@pytest.fixture
def kept(project: Project, tmp_path: Path) -> Project:
    """A project with the old state and its program, the folder and the secret file that belong to it, and nothing else."""
    home = tmp_path / "home"
    project.environment["VMLAB_HOME"] = str(home)
    for package in ("catalogue", "clients", "machine", "providers", "substrates"):
        (project.root / package).symlink_to(ROOT / package)
    (project.root / "libvirt.py").write_text(LIBVIRT)
    shutil.copy(STATES / "program.py", project.root / "__main__.py")
    (home / "volumes" / "kept-folder").mkdir(parents=True)
    (home / "run" / "secret" / "kept-secret").mkdir(parents=True)
    (home / "run" / "secret" / "kept-secret" / "secret").write_text("hidden")
    (home / "cache" / "rungs" / "roots" / "null-0123456789abcdef").mkdir(parents=True)
    project.state_file.parent.mkdir(parents=True)
    text = (STATES / "dynamic-providers.json").read_text()
    project.state_file.write_text(text.replace("@HOME@", str(home)))
    return project


def test_every_provider_is_in_the_state() -> None:
    """The kept state has a resource of each dynamic provider of the product."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "providers").rglob("*.py"))
        if re.search(r"^class \w+Provider\((?!ABC)\w+\):", path.read_text(), re.MULTILINE)
        and path.stem not in BASES
    ]

    assert modules == PROVIDERS


def test_preview_finds_nothing_to_do(kept: Project) -> None:
    """A preview of the program that made the state finds every provider and proposes no change."""
    assert kept.preview().changes == {}


def test_refresh_keeps_what_exists(kept: Project) -> None:
    """A refresh asks each provider: what exists is kept, what does not exist leaves the state."""
    kept.refresh()

    assert sorted(kept.names()) == ["folder", "secret", "services"]


def test_destroy_removes_what_exists(kept: Project) -> None:
    """Destroy calls each provider's delete: folder and secret file are removed, what is absent already is no error."""
    home = Path(kept.environment["VMLAB_HOME"])

    kept.destroy()

    assert kept.names() == []
    assert list((home / "volumes").iterdir()) == []
    assert not (home / "run" / "secret" / "kept-secret" / "secret").exists()
