"""The English of the product: phrases that are not standard technical English do not occur in documents, comments and texts.

Read are documents and configuration files whole, and of Python the comments, the docstrings and the strings that are sentences.
Out of scope: grammar and taste, which no list of phrases decides.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Files and folders that are checked.
CHECKED = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Pulumi.yaml", "__main__.py", "bench", "catalogue", "clients",
    "components", "docs", "engine", "examples", "host", "lab", "machine", "providers", "pyproject.toml",
    "requirements*.in", "service", "stacks", "substrates", "tests/unit/docs", "tests/unit/service", "vmlab",
)  # fmt: skip
PHRASES = {
    r"\b(?-i:Left) out\b(?: on purpose)?[:,]": "Out of scope:",
    r"\bmend(?:s|ed|ing)?\b": "fix, repair",
    r"\bdeaf\b": "ignores SIGTERM",
    r"\b(?:some|no)body(?:'s)?\b": "another process, another user, no process",
    r"(?<!there )\b(?:is|are|was|were) no (?!longer\b|more\b|such\b)": "is not a",
    r"\bsaid\b": "reported, printed, stated",
    r"\bsays\b": "reports, prints, states",
    r"\bto be had\b": "available",
    r"\bother way (?:round|around)\b": "the reverse",
    r"\bat hand\b": "available, cached",
    r"\b(?:takes?|taken|took|taking) (?:\w+ ){0,2}away\b": "removed",
    r"\b(?:gives?|given|gave|giving) (?:\w+ )?back\b": "released, returned",
    r"\b(?:is|are|was|were|be) told\b": "receives, is passed",
    r"\basks? (?:\w+ )?again\b": "retries",
    r"\bfor good\b": "permanently",
    r"\bpulls? the plug\b": "forced termination",
    r"\bdust\b": "delay",
    r"\b(?:stands?|stood|standing) (?:\w+ )?up\b": "starts, creates",
    r"\bwants\b": "requires, requests",
    r"\banew\b": "again",
    r"\bspeaks? of\b": "describes",
    r"\blets? go\b(?! of)": "releases, exits",
    r"\bby halves\b": "incompletely",
    r"\b(?:is|are|be|was|were) held to\b": "is limited to",
    r"\b(?:held|hold|holds) (?:\w+ )?against\b": "compared with",
    r"\bin vain\b": "without success",
    r"\bwithout a word\b": "without a message",
    r"\bhas a word\b": "reports",
    r"\bsits? on\b": "is on",
    r"\bbelieved\b": "assumed",
}
# A phrase in one file that has a reason: the file, and a piece of the sentence that may stay.
EXCEPTIONS = {
    "tests/unit/docs/test_prose.py": ("",),  # the list itself
    "host/artifact/apt.py": ("Maintainer: nobody",),  # a field of a control file
    **{
        # Their text is in the key of what is built from them; a compilation of Kubernetes takes 5 minutes.
        f"host/kubernetes/{name}": ("",)
        for name in ("pause.c", "program/dns.go", "program/main.go", "program/metrics.go")
    },
}
NOBODY = re.compile(
    r"\bnobody(?=[:/\"'`]|:nogroup)|(?<=[\"'`(/])nobody\b"
)  # the user of that name, and its group


def files(*places: str) -> list[Path]:
    """The text files of these places that are, or are about to be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *places]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    found = (ROOT / name for name in names if not name.endswith((".lock", ".sum", "syscalls.txt")))
    return [path for path in found if path.is_file()]


def python_prose(text: str) -> Iterator[tuple[int, str]]:
    """Line number and text of the comments, docstrings and sentences of a module."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.lineno, node.value


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of what people read in a file; printed output in documents is not prose of the document."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from python_prose(text)
        return
    if path.suffix == ".md":
        text = re.sub(r"^```.*?^```", lambda m: "\n" * m[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)
    yield 1, text


def flattened(line: int, text: str) -> tuple[str, list[int]]:
    """The text in one line, without the marks of comments that go on, and the line number of each character.

    Paragraphs stay apart by two spaces."""
    flat, lines = "", []
    for piece in re.findall(r"\s*\n\s*(?:#|//|\*(?!\*))?[ \t]*|[ \t]+|\S+", text):
        ends = piece.count("\n")
        added = piece if not ends and not piece.isspace() else " " if ends < 2 else "  "
        flat += added
        lines += [line] * len(added)
        line += ends
    return flat, lines


def found_in(line: int, text: str) -> list[str]:
    """Each phrase in a text, with its line and what to write instead; a sentence may go on in the next line."""
    flat, lines = flattened(line, text)
    flat = NOBODY.sub(lambda match: "x" * len(match[0]), flat)
    return [
        f"{lines[match.start()]}: {match[0]!r} (write: {instead})"
        for pattern, instead in PHRASES.items()
        for match in re.finditer(pattern, flat, re.IGNORECASE)
    ]


def allowed(name: str, text: str) -> bool:
    """Whether the file has an exception for this text."""
    return any(piece in text for piece in EXCEPTIONS.get(name, ()))


@pytest.mark.parametrize("path", files(*CHECKED), ids=lambda path: str(path.relative_to(ROOT)))
def test_standard_technical_english(path: Path) -> None:
    """No text has a phrase of the list, which also has what to write instead."""
    name = str(path.relative_to(ROOT))

    assert [f for line, text in prose(path) if not allowed(name, text) for f in found_in(line, text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "Left out: TLS.",
        "the command that mends it",
        "somebody else's chain",
        "the file is no\n    YAML",
        "Docker said no",
        "it takes it away",
    ],
)
def test_a_phrase_is_found(text: str) -> None:
    """The list finds its phrases, also across the end of a line."""
    assert len(found_in(1, text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "there is no cluster",
        "it is no longer there",
        "user: nobody:nogroup",
        "the owner `nobody`",
        "left out of the table",
    ],
)
def test_plain_english_is_not_found(text: str) -> None:
    """Standard English and the user `nobody` are accepted."""
    assert found_in(1, text) == []


def test_exceptions_are_used() -> None:
    """Each exception is for a file that exists."""
    assert [name for name in EXCEPTIONS if not (ROOT / name).is_file()] == []
