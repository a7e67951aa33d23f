"""Options and marks of every test: what runs by default, what runs side by side, and how often something is repeated.

Bare `pytest` runs what needs no daemon; a path below tests/live, or `-m`, runs the rest. Out of scope: setting anything up
(`vmlab test`).
"""

from __future__ import annotations

import os
from pathlib import PurePath

import pytest

from tests import groups

SOAK = "VMLAB_SOAK"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--soak`."""
    parser.addoption(
        "--soak", action="store_true", help="repeat in full what is repeated as a sample by default"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module is imported: their parameters depend on it."""
    if config.getoption("soak"):
        os.environ[SOAK] = "1"
    if not config.option.markexpr and not any(_is_live(path) for path in config.args):
        config.option.markexpr = "not live"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Before pytest deselects by mark, and before xdist reads the groups."""
    groups.mark(item)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The house rules come first: mypy takes longer than any other test."""
    items.sort(key=lambda item: item.path.name != "test_quality.py")


def repetitions(full: int, sample: int) -> int:
    """How often to repeat: `full` with --soak, else `sample`."""
    return full if os.environ.get(SOAK) else sample


def _is_live(path: str) -> bool:
    return "live" in PurePath(path.partition("::")[0]).parts
