"""The program: configuration in, one component, the outputs that every stack exports."""

import pulumi

from components import spec
from substrates.errors import SubstrateError

config = pulumi.Config()
substrate = config.require("substrate")

if substrate == "process":
    from components.process import ProcessService as Service
elif substrate == "docker":
    from components.docker import DockerService as Service
else:
    raise pulumi.RunError(f"substrate must be process or docker, not {substrate!r}")

try:
    service = Service("service", spec.from_config(config))
except (ValueError, SubstrateError) as error:
    raise pulumi.RunError(str(error)) from None
for name in spec.OUTPUTS:
    pulumi.export(name, service.outputs[name])
