"""What has to be there before a pod can be: two namespaces, quota and defaults, settings, secret, identity, network policy.

The second namespace is for the lab's copies: the same rules and settings and no quota, so that measuring neither meets the
stack's limits nor uses them up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes.family import Family
from components.spec import ServiceArgs

DRAIN_SECONDS = 3  # kube-proxies forget an ending pod within one or two of their rounds of a second
SECRET_FOLDER, SECRET_KEY = "/run/secrets/vmlab", "service"
SMALL = {"cpu": "100m", "memory": "32Mi"}  # of the node probe and the pulse
ROOM_FOR_PODS = 8  # node probes, pulses, and a guest or two
_LEVEL = {
    f"pod-security.kubernetes.io/{mode}{suffix}": value
    for mode in ("enforce", "audit", "warn")
    for suffix, value in (("", "restricted"), ("-version", "latest"))
}


@dataclass(frozen=True)
class Ground:
    """A namespace with what its pods refer to by name."""

    namespace: Any
    settings: Any
    secret: Any  # None when there is none
    identity: Any

    @property
    def everything(self) -> list[pulumi.Resource]:
        """All of it, to be waited for."""
        return [
            part for part in (self.namespace, self.settings, self.secret, self.identity) if part is not None
        ]

    def revision(self, members: dict[str, str]) -> pulumi.Output[str]:
        """A word that changes with the settings or the secret, so that pods are replaced. Of the secret it has only how
        often the cluster saw it change."""
        seen = (
            self.secret.metadata.resource_version if self.secret is not None else pulumi.Output.from_input("")
        )
        text = json.dumps(members, sort_keys=True)
        return pulumi.Output.unsecret(
            seen.apply(lambda version: sha256(f"{text}{version}".encode()).hexdigest()[:16])
        )


def settings_of(args: ServiceArgs) -> dict[str, str]:
    """The service's environment."""
    members = {
        **args.artifact.environment,
        **args.environment,
        "PORT": str(args.artifact.port),
        "DATA_DIR": "/data",
        "DRAIN_SECONDS": str(DRAIN_SECONDS),
    }
    if args.secret is not None:
        members["SECRET_FILE"] = f"{SECRET_FOLDER}/{SECRET_KEY}"
    return members


def lay(
    family: Family, args: ServiceArgs, *, boot: bool = False, after: Sequence[pulumi.Resource] = ()
) -> Ground:
    """A namespace in which only restricted pods may be, with settings, secret and identity."""
    name = family.object_name("namespace") + ("-boot" if boot else "")
    namespace = family.make(
        k8s.core.v1.Namespace, "namespace", boot=boot, labels=_LEVEL, metadata={"name": name}, after=after
    )
    inside: dict[str, Any] = {"namespace": namespace, "boot": boot}
    settings = family.make(k8s.core.v1.ConfigMap, "settings", data=settings_of(args), **inside)
    identity = family.make(
        k8s.core.v1.ServiceAccount, "identity", automount_service_account_token=False, **inside
    )
    secret = None
    if args.secret is not None:
        data = {SECRET_KEY: args.secret}
        secret = family.make(k8s.core.v1.Secret, "secret", string_data=data, **inside)
    return Ground(namespace, settings, secret, identity)


def guard(family: Family, args: ServiceArgs, ground: Ground, most: int) -> list[pulumi.Resource]:
    """Quota, defaults for pods that say nothing, and who may talk to whom."""
    memory = args.memory_bytes * (most + 1) + ROOM_FOR_PODS * 32 * 1024**2
    hard = {
        "pods": str(most + 1 + ROOM_FOR_PODS),
        "limits.cpu": f"{round(args.cpus * (most + 1) * 1000) + ROOM_FOR_PODS * 100}m",
        "requests.memory": str(memory),
        "limits.memory": str(memory),
    }
    inside: dict[str, Any] = {"namespace": ground.namespace}
    default = {"type": "Container", "default": SMALL, "defaultRequest": SMALL}
    return [
        family.make(k8s.core.v1.ResourceQuota, "quota", spec={"hard": hard}, **inside),
        family.make(k8s.core.v1.LimitRange, "defaults", spec={"limits": [default]}, **inside),
        family.make(k8s.networking.v1.NetworkPolicy, "policy", spec=_policy(args.artifact.port), **inside),
    ]


def _policy(port: int) -> dict[str, Any]:
    """In: the service's port, from anywhere. Out: the same port of the namespace's own pods, and names."""
    service = [{"protocol": "TCP", "port": port}]
    names = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": service}],
        "egress": [{"ports": service, "to": [{"podSelector": {}}]}, {"ports": names}],
    }
