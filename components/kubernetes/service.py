"""The component: which cluster, what is made in which order, and the outputs that every stack has."""

from __future__ import annotations

from typing import Any

import pulumi

from components.kubernetes import extras, ground, storage, workload
from components.kubernetes.arguments import ClusterArgs
from components.kubernetes.family import Family, provider_of
from components.kubernetes.pod import service_pod
from components.spec import ServiceArgs, conditions, probe
from substrates.inputs.artifact import load
from substrates.kubernetes import cluster

SUBSTRATE = "kubernetes"


class KubernetesService(pulumi.ComponentResource):
    """A Deployment behind a Service, with all that a careful team puts around it."""

    outputs: dict[str, Any]

    def __init__(
        self,
        name: str,
        args: ServiceArgs,
        opts: pulumi.ResourceOptions | None = None,
        own: ClusterArgs | None = None,
    ) -> None:
        own = own or ClusterArgs.from_config(pulumi.Config(), args.cpus)
        known = cluster.look(own.cluster)
        super().__init__("vmlab:index:KubernetesService", name, None, opts)
        family = Family(name, self, provider_of(name, own.cluster, self))
        volume = storage.volume(family) if own.cluster.ours else None
        # A namespace is removed before the volume that its claim holds.
        here = ground.lay(family, args, after=[volume] if volume is not None else [])
        copies = ground.lay(family, args, boot=True)
        # After the copies' ground too: so the two namespaces go at the same time, which takes 5 s each at the least.
        needed = [*copies.everything, storage.claim(family, here, volume)]
        deployment = self._deployment(family, args, own, here, needed)
        port = args.port or args.artifact.port
        service = workload.service(family, here, own, port, [deployment])
        workload.autoscaler(family, here, args, deployment)
        _extras(family, here, own, service, port)
        handle = {
            "namespace": here.namespace.metadata.name,
            "boot_namespace": copies.namespace.metadata.name,
            "deployment": deployment.metadata.name,
            "service": service.metadata.name,
        }
        self.outputs = {
            "substrate": SUBSTRATE,
            "url": workload.url_of(service, own, port),
            "instance": {**probe(args), **handle, **_way(own)},
            "artifact": args.artifact.digest,
            "limits": {"cpus": args.cpus, "memory_bytes": args.memory_bytes, "enforced": True},
            "conditions": _conditions(own, known),
        }
        self.register_outputs(self.outputs)

    def _deployment(
        self,
        family: Family,
        args: ServiceArgs,
        own: ClusterArgs,
        here: ground.Ground,
        needed: list[pulumi.Resource],
    ) -> Any:
        """Last, when everything that limits its pods and that they refer to exists."""
        guards = ground.guard(family, args, here, workload.most_replicas(args))
        names = {part: family.object_name(part) for part in ("settings", "identity", "claim")}
        names |= {"secret": family.object_name("secret")} if args.secret is not None else {}
        pod = service_pod(args, _reference(args.artifact.variants["slim"], own.image), own.cpu_request, names)
        revision = here.revision(ground.settings_of(args))
        return workload.deployment(family, here, pod, revision, [*here.everything, *guards, *needed])


def _extras(family: Family, here: ground.Ground, own: ClusterArgs, service: Any, port: int) -> None:
    ours = load()  # the lab's own service, whatever the stack runs
    image = _reference(ours.variants["slim"], own.image)
    extras.node_probe(family, here, image, ours)
    target = {"HOST": service.spec.cluster_ip, "PORT": str(port), "ASKED": "/"}
    extras.pulse(family, here, image, ours, own.pulse, target, [service])


def _reference(variant: dict[str, Any], repository: str) -> str:
    """The image by its digest, from the lab's registry or where the user put it."""
    return f"{repository or variant['image'].rpartition(':')[0]}@{variant['image_digest']}"


def _way(own: ClusterArgs) -> dict[str, Any]:
    """How the lab finds the cluster again, and a node of it."""
    return {
        "kubeconfig": str(own.cluster.path),
        "context": own.cluster.context,
        "ours": own.cluster.ours,
        "node_address": own.node_address,
    }


def _conditions(own: ClusterArgs, known: cluster.Cluster) -> dict[str, Any]:
    return conditions(
        runtime="containerd, runc" if own.cluster.ours else "the cluster's",
        network=f"{own.expose}, kube-proxy",
        variant="slim",
        cluster=known.description,
        cpu_request=own.cpu_request,
        autoscaler=known.autoscaler,
        network_policy=known.network_policy,
    )
