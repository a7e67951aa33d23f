"""The volume of `/visits`, which outlives the pods: a folder of this machine, or what another cluster's default class gives.

A `local` volume takes a folder as it is, so it is made beforehand, owned by the service's user.
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi.dynamic import Resource

from components.kubernetes.family import Family
from components.kubernetes.ground import Ground
from providers.folder import FolderProvider

SIZE = "64Mi"
MODES = ["ReadWriteOnce"]  # of one node, not of one pod: the replicas share it


class Folder(Resource, module="vmlab", name="Folder"):
    """A folder of the service's user; `path` is where."""

    path: pulumi.Output[str]

    def __init__(self, name: str, folder: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__(FolderProvider(), name, {"name": folder, "path": None}, opts)


def volume(family: Family) -> Any:
    """On the lab's own cluster: a folder, and the volume above it."""
    folder = Folder(
        f"{family.component}-folder",
        family.object_name("folder"),
        pulumi.ResourceOptions(parent=family.parent),
    )
    # The lab's cluster has one node. Retain: the folder is Pulumi's, and is removed with the stack.
    spec = {
        "capacity": {"storage": SIZE},
        "accessModes": MODES,
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "local": {"path": folder.path},
        "claimRef": {"namespace": family.object_name("namespace"), "name": family.object_name("claim")},
        "nodeAffinity": {
            "required": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}
                ]
            }
        },
    }
    return family.make(k8s.core.v1.PersistentVolume, "volume", spec=spec)


def claim(family: Family, ground: Ground, volume: Any) -> Any:
    """The pods' claim on it."""
    spec: dict[str, Any] = {"accessModes": MODES, "resources": {"requests": {"storage": SIZE}}}
    if volume is not None:
        spec |= {"storageClassName": "", "volumeName": volume.metadata.name}
    return family.make(k8s.core.v1.PersistentVolumeClaim, "claim", namespace=ground.namespace, spec=spec)
