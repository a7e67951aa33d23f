"""The rule codes that code and tests cite: each must be explained in docs/engine-rules.md.

Out of scope: whether a rule's text describes the code correctly; the tests that the table names check that.
"""

from __future__ import annotations

import re
import subprocess
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "docs" / "engine-rules.md"
CODE = r"(?:[A-F][0-9]{1,2}|I[0-9]|[1-4]\.[0-9](?:\.[0-9])?)"
LIST = rf"{CODE}(?:(?:,| to| and) +(?:#\s+)?{CODE})*"
CITED = re.compile(rf"\(({LIST})\)|engine-rules\.md\s+({LIST})")
ROW = re.compile(rf"^\| ({CODE}) \| .+ \| (.+) \| (.+) \|$", re.MULTILINE)


def _tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def _texts(path: Path) -> list[str]:
    """Docstrings, other strings and comments of a module."""
    with tokenize.open(path) as file:
        tokens = tokenize.generate_tokens(file.readline)
        return [t.string for t in tokens if t.type in (tokenize.STRING, tokenize.COMMENT)]


def test_cited_codes_are_explained() -> None:
    """Each rule code that a docstring or comment of the repository cites has a row in docs/engine-rules.md."""
    known = {code for code, _, _ in ROW.findall(RULES.read_text())}
    cited = {
        (code, str(path.relative_to(ROOT)))
        for path in _tracked("*.py")
        for text in _texts(path)
        for groups in CITED.findall(text)
        for code in re.findall(CODE, "".join(groups))
    }

    assert len(cited) > 100
    assert sorted(citation for citation in cited if citation[0] not in known) == []


def test_rules_name_existing_files() -> None:
    """Each file that a rule names as its implementation or its test exists."""
    missing = []
    for code, where, tests in ROW.findall(RULES.read_text()):
        for column, folder in ((where, ROOT / "engine"), (tests, ROOT / "tests" / "engine")):
            for name in re.findall(r"`([^`]+)`", column):
                whole = name.startswith(("tests/", "components/"))
                if not (ROOT / name if whole else folder / name).is_file():
                    missing.append(f"{code}: {name}")

    assert missing == []


def test_codes_are_unique() -> None:
    """No code has two rows."""
    codes = [code for code, _, _ in ROW.findall(RULES.read_text())]

    assert len(codes) == len(set(codes))


def test_no_file_outside_the_repository_is_cited() -> None:
    """No file cites a document that is not in the repository."""
    absent = re.compile(r"reliability" + r"\.md|\bDESIGN" + r"\b")

    assert [str(p) for p in _tracked() if absent.search(p.read_text(errors="replace"))] == []
