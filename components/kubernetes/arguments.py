"""Settings of a cluster alone, from the stack's configuration; ValueError names the key that is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from clients.kubernetes.choice import Choice, chosen
from components.spec import positive_number

EXPOSURES = ("ClusterIP", "NodePort", "LoadBalancer")


@dataclass(frozen=True)
class ClusterArgs:
    """The cluster, and how the service sits in it."""

    cluster: Choice
    cpu_request: float
    image: str = ""  # the repository that has the image, where the lab's registry cannot be reached
    expose: str = "ClusterIP"
    node_address: str = ""
    pulse: str = "*/15 * * * *"

    @classmethod
    def from_config(cls, config: pulumi.Config, cpus: float) -> ClusterArgs:
        """As configured. By default a pod's CPU request equals its limit, as its memory's always does: the cluster then
        reserves what the stack's limits state, and evicts such a pod last."""
        request = positive_number("cpuRequest", config.get("cpuRequest") or str(cpus))
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
