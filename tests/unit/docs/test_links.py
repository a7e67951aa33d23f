"""The documents name what exists: every link leads to a file or a heading, every named function is in its file.

Out of scope: addresses on the network, which a test must not depend on.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)((?:(?:,\s*|\s+|\s+and\s+)`[\w.]+`)*)")
WALKS = ("One datum", "One resource")


def title(path: Path) -> str:
    """The test's id."""
    return str(path.relative_to(ROOT))


def prose_of(path: Path) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def links(text: str) -> list[tuple[str, list[str]]]:
    """Each relative link with the names in backticks that follow it at once."""
    found = [(target, re.findall(r"`([\w.]+)`", names)) for target, names in LINK.findall(text)]
    return [(target, names) for target, names in found if not target.startswith(("http://", "https://"))]


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def names_in(path: Path) -> frozenset[str]:
    """The classes, functions and constants of a module, methods as `Class.method`; of another file all its words."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return frozenset(re.findall(r"\w+", text))
    found: set[str] = set()

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")
            if isinstance(node, ast.Try | ast.If):
                visit(node.body, prefix)
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            found.update(prefix + target.id for target in targets if isinstance(target, ast.Name))

    visit(ast.parse(text).body, "")
    return frozenset(found)


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_links_lead_to_files(document: Path) -> None:
    """Each relative link of a document leads to a file or folder of the repository, and to a heading that is in it."""
    broken = []
    for target, _ in links(prose_of(document)):
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.is_relative_to(ROOT) or not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_named_functions_exist(document: Path) -> None:
    """A name in backticks directly after a link is defined in the file that the link leads to."""
    missing = []
    for target, names in links(prose_of(document)):
        path = (document.parent / target.partition("#")[0]).resolve()
        if path.is_file() and path.suffix != ".md":
            missing += [f"{target} {name}" for name in names if name not in names_in(path)]

    assert missing == []


@pytest.mark.parametrize("walk", WALKS)
def test_each_step_of_a_walk_is_checked(walk: str) -> None:
    """Each step of the two walks through the code has a link and a name, so that the other tests check it."""
    section = prose_of(ROOT / "docs/architecture.md").partition(f"\n## {walk}")[2].partition("\n## ")[0]
    steps = re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]

    assert len(steps) >= 10
    assert [step for step in steps if not any(names for _, names in links(step))] == []


def test_the_map_lists_what_exists() -> None:
    """Each folder and file of the map in docs/architecture.md exists, and each folder of the repository is on it."""
    block = re.search(
        r"^```\n(.*?)^```", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert block is not None
    top, listed, missing = "", set(), []
    for line in block[1].splitlines():
        names = [word for word in line[:32].rstrip().split("   ")[0].split() if word.endswith(("/", ".py"))]
        top = names[0] if not line.startswith(" ") else top
        listed.add(top.rstrip("/"))
        missing += [n for n in names if not (ROOT / ("" if n == top else top) / n).exists()]
    folders = {
        path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))
    }

    assert missing == []
    assert folders - listed == set()


def test_documents_name_commands_that_exist() -> None:
    """Each `vmlab <verb>` in README and docs is a verb of the command line."""
    command = [sys.executable, "-m", "lab", "--help"]
    help_text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    verbs = set(re.findall(r"^ {2,4}([a-z]+)", help_text, re.MULTILINE))
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    used = set(re.findall(r"(?:`|\./)vmlab ([a-z]+)", text))

    assert len(used) >= 10
    assert used - verbs == set()
