"""`pytest tests/measure --stack NAME`: the stacks that were named, else nothing to do."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which stacks to measure, and how often."""
    parser.addoption("--stack", action="append", default=[], help="measure this stack, which is up")
    parser.addoption("--boots", type=int, default=8, help="how many boots of each")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a stack that was named; without one a test that is skipped."""
    if "stack" in metafunc.fixturenames:
        metafunc.parametrize("stack", metafunc.config.getoption("--stack", []))
