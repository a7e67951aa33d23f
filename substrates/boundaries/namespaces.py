"""The probe on any of the rungs: another command and a larger environment."""

from __future__ import annotations

from dataclasses import replace

from substrates.boundaries.program import environment, instead_of
from substrates.namespaces import Definition


def instead(definition: Definition, settings: dict[str, str]) -> Definition:
    """The same copy with the probe in the service's place."""
    given = {**definition.environment, **environment(settings)}
    return replace(definition, command=instead_of(definition.command), environment=given)
