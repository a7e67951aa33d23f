"""Which module operates which substrate; imported only when one of its stacks is looked at."""

from __future__ import annotations

import importlib
from types import ModuleType

MODULES = {"process": "substrates.process", "docker": "substrates.docker", "vm": "substrates.vm"}


def module_of(substrate: str) -> ModuleType:
    """The module with the functions of `substrates.contract`."""
    return importlib.import_module(MODULES[substrate])
