"""The launcher, in a checkout of its own with an empty lock file: nothing is downloaded, and no other .venv is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LAB = "import json, os, sys\nprint(json.dumps([sys.argv[1:], os.getcwd(), sys.prefix, sys.path]))\nsys.exit(7)\n"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the launcher, a lock file without packages, a `lab` that tells what it was given, and its .venv."""
    folder = tmp_path_factory.mktemp("check out")
    shutil.copy(ROOT / "vmlab", folder)
    (folder / "requirements.lock").write_text("# nothing\n")
    (folder / "lab").mkdir()
    (folder / "lab" / "__main__.py").write_text(LAB)
    made = launch(folder / "vmlab")
    assert "creating .venv" in made.stderr, made.stderr
    return folder


def launch(program: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a launcher with nothing of this test's own Python in the environment."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [program, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_arguments_and_exit_code_pass_through(checkout: Path) -> None:
    """Blanks, quotes and the exit code survive; an environment that is there is used without a word."""
    done = launch(checkout / "vmlab", "up", "a b", "it's", "--json", "")

    assert done.returncode == 7
    assert done.stdout.startswith('[["up", "a b", "it\'s", "--json", ""]')
    assert done.stderr == ""


def test_from_anywhere_through_a_symlink(checkout: Path, tmp_path: Path) -> None:
    """A link to the launcher finds its checkout, the caller's folder stays, and code lying there is not imported."""
    link = tmp_path / "link"
    link.symlink_to(checkout / "vmlab")
    (tmp_path / "lab.py").write_text("raise SystemExit('the wrong lab')\n")

    done = launch(link, cwd=tmp_path)

    assert done.returncode == 7, done.stderr
    assert str(tmp_path) in done.stdout
    assert str(checkout / ".venv") in done.stdout


@pytest.mark.parametrize("damage", ["lock", "stamp"])
def test_an_environment_that_does_not_fit_is_made_again(checkout: Path, damage: str) -> None:
    """Another lock file, or a stamp that was never written, makes it anew; then it is quiet again."""
    stray = checkout / ".venv" / "stray"
    stray.touch()
    if damage == "lock":
        (checkout / "requirements.lock").write_text("# nothing else\n")
    else:
        (checkout / ".venv" / "vmlab-stamp").unlink()

    first, second = launch(checkout / "vmlab"), launch(checkout / "vmlab")

    assert "creating .venv" in first.stderr
    assert not stray.exists()
    assert second.stderr == ""


def test_two_at_once_make_one(checkout: Path) -> None:
    """Of two that start together one makes the environment, and the other waits for it."""
    (checkout / ".venv" / "vmlab-stamp").unlink()
    # `vmlab test` puts the real checkout on the path, and its package would win over this one's folder.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    both = [
        subprocess.Popen(
            [checkout / "vmlab"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean
        )
        for _ in range(2)
    ]

    ended = [one.communicate(timeout=120) for one in both]

    assert [one.returncode for one in both] == [7, 7]
    assert sum("creating .venv" in said for _, said in ended) == 1
