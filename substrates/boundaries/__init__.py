"""What a substrate's boundary looks like from inside: one program, the same on all of them, run in the service's place.

A module a kind of substrate, with one function: `instead(definition, settings)` is the definition of a copy that runs the
probe and not the service. The rest is the contract's: `boot` it, ask it once, `destroy` it. So nothing has to be built or
mounted: the program travels in the environment, and the artifact's own interpreter executes it from memory.

    program      the compiled probe, and how a command is made to carry it
    reading      what it answered, parsed
    process namespaces docker vm kubernetes    `instead` for each

Left out: a service of the user's without our interpreter, and running as root, which the service never does.
"""

from __future__ import annotations

import importlib
from typing import Any

MODULES = {
    "process": "substrates.boundaries.process",
    "chroot": "substrates.boundaries.namespaces",
    "namespaces": "substrates.boundaries.namespaces",
    "docker": "substrates.boundaries.docker",
    "vm": "substrates.boundaries.vm",
    "kubernetes": "substrates.boundaries.kubernetes",
}


def instead(substrate: str, definition: Any, settings: dict[str, str]) -> Any:
    """The definition of a copy with the probe in the service's place; KeyError for a substrate that has no module here."""
    return importlib.import_module(MODULES[substrate]).instead(definition, settings)
