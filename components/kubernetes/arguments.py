"""What only a cluster has, as the stack's configuration says it; ValueError names the key that is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.spec import positive_number
from substrates.kubernetes_access import Choice, chosen

EXPOSURES = ("ClusterIP", "NodePort", "LoadBalancer")


@dataclass(frozen=True)
class ClusterArgs:
    """The cluster, and how the service sits in it."""

    cluster: Choice
    cpu_request: float = 0.1
    image: str = ""  # the repository that has the image, where the lab's registry cannot be reached
    expose: str = "ClusterIP"
    node_address: str = ""
    pulse: str = "*/15 * * * *"

    @classmethod
    def from_config(cls, config: pulumi.Config, cpus: float) -> ClusterArgs:
        """As configured. CPU is reserved less than it is limited: a whole one for each pod, and two cores would be full
        with two replicas: no room for the autoscaler, a rolling update or a copy. Memory is reserved whole."""
        request = positive_number("cpuRequest", config.get("cpuRequest") or "0.1")
        expose = config.get("expose") or "ClusterIP"
        if expose not in EXPOSURES:
            raise ValueError(f"expose must be one of {', '.join(EXPOSURES)}, not {expose!r}")
        address = config.get("nodeAddress") or ""
        if expose == "NodePort" and not address:
            raise ValueError("nodeAddress must be a node's address when expose is NodePort")
        return cls(
            cluster=chosen(),
            cpu_request=min(request, cpus),
            image=config.get("image") or "",
            expose=expose,
            node_address=address,
            pulse=config.get("pulse") or cls.pulse,
        )
