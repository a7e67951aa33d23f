"""A substrate from a folder of the tests: its module, its component, its row and its stack file, and no edit of the product."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalogue import substrates
from catalogue.substrates import InvalidPlugin
from lab import cli

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = ROOT / "tests" / "plugins"
RUN_SECONDS = 90.0
Verb = Callable[..., subprocess.CompletedProcess[str]]
INDEX = {
    "name": "service", "version": "1", "artifact": "sha256:plain", "root": "/nowhere", "command": [], "loader": "",
    "library_path": [], "port": 8080, "health": "/", "echoes_nonce": True, "variants": {},
}  # fmt: skip


@pytest.fixture
def vmlab(tmp_path: Path) -> Iterator[Verb]:
    """The command line with the plug-in, in a home of its own that has an artifact's index; what is left is removed."""
    (tmp_path / "cache" / "artifact").mkdir(parents=True)
    (tmp_path / "cache" / "artifact" / "service.json").write_text(json.dumps(INDEX))
    own = {"VMLAB_HOME": str(tmp_path), "VMLAB_PLUGINS": str(PLUGINS), "VMLAB_BLOCKS": "1", "CI": "true"}
    environment = {**os.environ, **own, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lab", *arguments],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )

    yield run
    if (tmp_path / "run" / "plain").exists():
        run("destroy", "plain", "--skip-preview")


def test_a_substrate_from_a_folder(vmlab: Verb, tmp_path: Path) -> None:
    """It is brought up by the embedded engine, measured, compared and destroyed like those of the product."""
    up = vmlab("up", "--engine", "embedded", "--skip-preview", "plain")
    assert up.returncode == 0, up.stdout + up.stderr
    measured = vmlab("measure", "plain", "--json")
    assert measured.returncode == 0, measured.stderr
    found = json.loads(measured.stdout)

    plain = found["substrates"]["plain"]
    assert plain["metrics"]["boot_seconds"]["n"] == 1
    assert plain["metrics"]["memory_pss_bytes"]["median"] > 0
    assert found["verdict"].startswith("A plain program gives its first answer after ")
    assert vmlab("compare").stdout.startswith("stack")
    destroyed = vmlab("destroy", "plain", "--engine", "embedded", "--skip-preview")
    assert destroyed.returncode == 0, destroyed.stderr
    assert list((tmp_path / "run" / "plain").glob("*")) == []


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The rows are read again, before the test and after it."""
    substrates.known.cache_clear()
    yield monkeypatch
    substrates.known.cache_clear()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[plain]\nnoun = 'x'\n", "must have noun, module and component"),
        ("[plain]\nnoun = 'x'\nmodule = 'm'\ncomponent = 'c:C'\ncolour = 'red'\n", "and only"),
        ("[docker]\nnoun = 'x'\nmodule = 'm'\ncomponent = 'c:C'\n", "there is a substrate 'docker' already"),
        ("[plain\n", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_folder_that_cannot_be_used(
    rows: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, words: str
) -> None:
    """It is wrong use (exit code 2), with the folder and what is wrong with its rows."""
    if text is not None:
        (tmp_path / "substrates.toml").write_text(text)
    rows.setenv(substrates.VARIABLE, str(tmp_path))

    with pytest.raises(InvalidPlugin, match=words):
        substrates.known()
    assert cli.main(["measure", "plain"]) == 2
    assert str(tmp_path) in capsys.readouterr().err
