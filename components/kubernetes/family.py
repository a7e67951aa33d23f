"""What all objects of one component share: provider, parent, names, labels, and that they end with their namespace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from clients.kubernetes.choice import Choice
from components.spec import object_name
from machine.waiting import answer_seconds

STACK, URN_HASH = "vmlab.stack", "vmlab.urn-hash"
NAME, INSTANCE = "app.kubernetes.io/name", "app.kubernetes.io/instance"
SPARE_SECONDS = 5.0  # beyond the service's deadline, so that Kubernetes fails first and reports why


@dataclass(frozen=True)
class Family:
    """Makes objects. Their bodies are written as in Kubernetes' own documentation."""

    component: str
    parent: pulumi.Resource
    provider: k8s.Provider

    def object_name(self, part: str) -> str:
        """What the cluster calls the part."""
        return object_name(self.component, part)

    def labels(self, part: str) -> dict[str, str]:
        """The lab's, by which `gc` and the leak check find an object."""
        return {STACK: f"{pulumi.get_project()}.{pulumi.get_stack()}", URN_HASH: self.object_name(part)[-10:]}

    def selector(self, part: str) -> dict[str, str]:
        """The labels of a part's pods."""
        return {NAME: part, INSTANCE: self.object_name(part)}

    def make(
        self,
        kind: Any,
        part: str,
        *,
        namespace: Any = None,
        boot: bool = False,
        after: Sequence[pulumi.Resource] = (),
        **body: Any,
    ) -> Any:
        """One object; `boot`: in the namespace of the lab's copies, where it has the same name."""
        metadata: dict[str, Any] = {
            "name": self.object_name(part),
            "labels": self.labels(part) | body.pop("labels", {}),
        }
        if namespace is not None:
            metadata["namespace"] = namespace.metadata.name
        limit = f"{answer_seconds() + SPARE_SECONDS:g}s"
        options = pulumi.ResourceOptions(
            parent=self.parent,
            provider=self.provider,
            depends_on=list(after),
            deleted_with=namespace,
            custom_timeouts=pulumi.CustomTimeouts(create=limit, update=limit),
        )
        known_as = f"{self.component}-{'boot-' if boot else ''}{part}"
        return kind(known_as, metadata=metadata | body.pop("metadata", {}), opts=options, **body)


def provider_of(component: str, cluster: Choice, parent: pulumi.Resource) -> k8s.Provider:
    """An explicit provider: never the user's default context.

    Settings are changed in place and roll the pods by a hash; replaced, they would be gone for a moment in which no pod can
    start. What was changed by hand is reverted: the objects are the stack's own."""
    return k8s.Provider(
        f"{component}-cluster",
        kubeconfig=str(cluster.path),
        context=cluster.context or None,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        enable_patch_force=True,
        opts=pulumi.ResourceOptions(parent=parent),
    )
