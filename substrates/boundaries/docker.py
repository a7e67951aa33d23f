"""The probe as a container: the same create call with another command and a larger environment."""

from __future__ import annotations

from dataclasses import replace

from substrates.boundaries.program import environment, instead_of
from substrates.docker.substrate import Definition


def instead(definition: Definition, settings: dict[str, str]) -> Definition:
    """The same container with the probe in the service's place."""
    config = definition.config
    command = instead_of([*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])])
    given = [f"{name}={value}" for name, value in environment(settings).items()]
    return replace(
        definition,
        config={
            **config,
            "Entrypoint": command[:1],
            "Cmd": command[1:],
            "Env": [*(config.get("Env") or []), *given],
        },
    )
