"""The probe in a pod: the Deployment's template with another command and a larger environment."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from substrates.boundaries.program import environment, instead_of

_PATIENCE = (
    "livenessProbe",
    "startupProbe",
)  # the probe listens when it has looked; a kubelet would kill it meanwhile


def instead(definition: Any, settings: dict[str, str]) -> Any:
    """Of `substrates.kubernetes.Definition`, by its `template`: the same pod with the probe in the service's place."""
    template = copy.deepcopy(definition.template)
    container = template["spec"]["containers"][0]
    command = instead_of([*(container.get("command") or []), *(container.get("args") or [])])
    container["command"], container["args"] = command[:1], command[1:]
    given = [{"name": name, "value": value} for name, value in environment(settings).items()]
    container["env"] = [*(container.get("env") or []), *given]
    for name in _PATIENCE:
        container.pop(name, None)
    return replace(definition, template=template)
