"""The probe in a guest: another command and a larger environment on its configuration disk."""

from __future__ import annotations

from dataclasses import replace

from machine.errors import Unavailable
from substrates.boundaries.program import environment, instead_of
from substrates.vm.substrate import Definition


def instead(definition: Definition, settings: dict[str, str]) -> Definition:
    """The same guest with the probe in the service's place; Unavailable where systemd starts the service by a unit."""
    if "vmlab_variant=full" in definition.spec.cmdline:
        raise Unavailable(
            "systemd starts the service there, by a unit of its own", "vmlab boundaries vm-slim"
        )
    files = dict(definition.files)
    files["command"] = "".join(f"{word}\n" for word in instead_of(files["command"].splitlines()))
    files["environment"] += "".join(f"{name}={value}\n" for name, value in environment(settings).items())
    return replace(definition, files=files)
