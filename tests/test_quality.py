"""The house rules as tests: linters, types, layers, sizes, words, and what must never be committed.

They run in the same command as every other test, so that nobody has to remember them. Left out: taste.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = [
    "bench",
    "catalogue",
    "components",
    "engine",
    "host",
    "lab",
    "providers",
    "service",
    "stacks",
    "substrates",
    "tests",
]


def run(*command: str) -> str:
    """The output of a tool of this environment; the test fails with it when the tool does."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    tool = [str(Path(sys.executable).with_name(command[0])), *command[1:]]
    done = subprocess.run(tool, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked(*patterns: str) -> list[Path]:
    """Files that are, or are about to be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_lint() -> None:
    """ruff finds nothing, and the code is formatted."""
    run("ruff", "check", ".")
    run("ruff", "format", "--check", ".")


def test_types() -> None:
    """mypy --strict finds nothing."""
    run("mypy", *[name for name in CODE if any((ROOT / name).rglob("*.py"))])


def test_layers() -> None:
    """Packages import only what the architecture lets them."""
    run("lint-imports")


@pytest.mark.parametrize("path", tracked("*.py", "*.go"), ids=lambda path: str(path.relative_to(ROOT)))
def test_size(path: Path) -> None:
    """A module has at most 400 lines, and a function of ours at most 40."""
    text = path.read_text()

    assert text.count("\n") <= 400
    if path.suffix == ".py" and "tests" not in path.parts:
        functions = (
            n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        )
        assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= 40] == []


def test_names() -> None:
    """No module is called utils, helpers, common or manager."""
    assert [p for p in tracked("*.py") if re.fullmatch(r"(utils?|helpers?|common|manager)", p.stem)] == []


def test_tests_say_what_must_hold() -> None:
    """Each test function has one sentence."""
    silent = []
    for path in tracked("tests/**/test_*.py", "tests/test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.FunctionDef)
                and node.name.startswith("test_")
                and not ast.get_docstring(node)
            ):
                silent.append(f"{path.name}::{node.name}")

    assert silent == []


def test_subprocess_has_one_door_a_package() -> None:
    """Only the modules that are the doors start processes, and none uses a shell."""
    doors = {"engine/children.py", "machine/commands.py"}
    starts = re.compile(r"subprocess\.(run|Popen|call|check_\w+)\(|os\.(system|popen|fork)\(|shell=True")
    code = [p for p in tracked("*.py") if p.relative_to(ROOT).parts[0] not in ("tests", "bench")]

    found = {str(p.relative_to(ROOT)) for p in code if starts.search(p.read_text())}

    assert found <= doors


def test_lock_has_hashes_and_no_addresses() -> None:
    """Every locked package has a hash, and the lock names no index."""
    text = (ROOT / "requirements.lock").read_text()
    packages = re.findall(r"^[a-z][^\n]*==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)

    assert len(packages) == len(re.findall(r"^[a-z][\w.-]*==", text, re.MULTILINE))
    assert "http" not in text


def test_nothing_of_one_machine_is_committed() -> None:
    """No file names this checkout's folder or the home directory of who made it."""
    places = [f"{ROOT.parent}/".encode(), f"{Path.home()}/".encode()]

    assert [p for p in tracked() if any(place in p.read_bytes() for place in places if len(place) > 6)] == []


def test_waiting_has_a_deadline() -> None:
    """Nothing outside the tests sleeps for a second or more in one go."""
    long_sleep = re.compile(r"\bsleep\(\s*[1-9]")
    code = [p for p in tracked("*.py") if p.relative_to(ROOT).parts[0] != "tests"]

    assert [str(p) for p in code if long_sleep.search(p.read_text())] == []
