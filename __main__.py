"""The program: configuration in, one component, the outputs that every stack exports."""

import importlib

import pulumi

from components import spec
from machine.errors import VmlabError

COMPONENTS = {
    "process": "ProcessService",
    "chroot": "ChrootService",
    "namespaces": "NamespacesService",
    "docker": "DockerService",
    "vm": "VmService",
    "kubernetes": "KubernetesService",
}

config = pulumi.Config()
substrate = config.require("substrate")
if substrate not in COMPONENTS:
    raise pulumi.RunError(f"substrate must be one of {', '.join(COMPONENTS)}, not {substrate!r}")
# Imported when it is asked for: each brings the libraries of its own substrate.
Service = getattr(importlib.import_module(f"components.{substrate}"), COMPONENTS[substrate])

try:
    service = Service("service", spec.from_config(config))
except (ValueError, VmlabError) as error:
    raise pulumi.RunError(str(error)) from None
for name in spec.OUTPUTS:
    pulumi.export(name, service.outputs[name])
