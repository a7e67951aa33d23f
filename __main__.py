"""The program: configuration in, one component, the outputs that every stack exports."""

import pulumi

from catalogue import substrates
from components import spec
from machine.errors import VmlabError

config = pulumi.Config()
substrate = config.require("substrate")
try:
    rows = substrates.deployable()
    if substrate not in rows:
        raise pulumi.RunError(f"substrate must be one of {', '.join(rows)}, not {substrate!r}")
    # Imported when it is asked for: each brings the libraries of its own substrate.
    service = rows[substrate].load_component()("service", spec.from_config(config))
except (ValueError, VmlabError) as error:
    raise pulumi.RunError(str(error)) from None
for name in spec.OUTPUTS:
    pulumi.export(name, service.outputs[name])
