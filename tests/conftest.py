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
    """Before pytest deselects by mark."""
    groups.mark(item)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first."""
    items.sort(key=lambda item: groups.place(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Tests of one group in one worker. Ours, because pytest-xdist 3.8 marks groups in a member that pytest 9.2 lacks."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from tests.scheduler import ByGroup

    return ByGroup(config, log)


def repetitions(full: int, sample: int) -> int:
    """How often to repeat: `full` with --soak, else `sample`."""
    return full if os.environ.get(SOAK) else sample


def _is_live(path: str) -> bool:
    return "live" in PurePath(path.partition("::")[0]).parts
