"""The probe as a bare process: another command and a larger environment."""

from __future__ import annotations

from dataclasses import replace

from substrates.boundaries.program import environment, instead_of
from substrates.process import Definition


def instead(definition: Definition, settings: dict[str, str]) -> Definition:
    """The same process with the probe in the service's place."""
    given = {**definition.environment, **environment(settings)}
    return replace(definition, command=instead_of(definition.command), environment=given)
