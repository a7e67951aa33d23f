"""Which module operates which substrate; imported only when one of its stacks is looked at.

`oci` has no stack: the ladder boots copies under a runtime alone, and `gc` finds what a killed one left.
"""

from __future__ import annotations

import importlib
from types import ModuleType

MODULES = {
    "process": "substrates.process",
    "chroot": "substrates.namespaces",
    "namespaces": "substrates.namespaces",
    "oci": "substrates.oci",
    "docker": "substrates.docker.substrate",
    "vm": "substrates.vm.substrate",
    "kubernetes": "substrates.kubernetes.substrate",
}


def module_of(substrate: str) -> ModuleType:
    """The module with the functions of `substrates.contract`."""
    return importlib.import_module(MODULES[substrate])


def each() -> dict[str, ModuleType]:
    """Every module once, by the last of the substrates that it operates."""
    return {name: module_of(name) for name in {path: name for name, path in MODULES.items()}.values()}
