"""The service as a Kubernetes Deployment: pods that a scheduler places, a kubelet starts and a Service forwards to.

Copies are bare pods made from the Deployment's own template, in a namespace of the same rules and no quota, each behind a
Service that was created before it. Out of scope: jobs, sidecars, processes on other nodes.

    boot      one boot, stamped                       node       what pods use, read from this machine
    watch     what happens to a pod, stamped          reported   the same as the API reports it
    copies    a copy's objects                        labelled   every object with the lab's label
    cold_image   an image the node has not cached     cluster    what kind of cluster it is
"""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from clients.kubernetes.choice import Choice, chosen, shared
from machine import processes
from machine.errors import VmlabError
from substrates.boundaries.program import environment as probe_environment
from substrates.boundaries.program import instead_of
from substrates.contract import Boot, Footprint, Limits, Request, Slot, destroyed_on_failure
from substrates.inputs import artifact as artifacts
from substrates.inputs import folder
from substrates.kubernetes import labelled, node, reported
from substrates.kubernetes.boot import booted
from substrates.kubernetes.cold_image import forget, twin_of
from substrates.kubernetes.copies import CORE, Address, Definition, Handle

KIND = "kubernetes"

# -- fresh copies, as `contract` has them


def definition(instance: dict[str, Any]) -> Definition:
    """The Deployment's own template, and how its Service is reached."""
    choice = _choice(instance)
    namespace = f"namespaces/{instance['namespace']}"
    deployment = shared(choice).look(f"/apis/apps/v1/{namespace}/deployments/{instance['deployment']}")
    service = shared(choice).look(f"{CORE}/{namespace}/services/{instance['service']}")
    if deployment is None or service is None:
        raise VmlabError(
            f"the cluster has no Deployment {instance['deployment']}; next: vmlab up kubernetes --refresh"
        )
    address = Address(service["spec"]["type"], instance["node_address"])
    return Definition(choice, instance["boot_namespace"], deployment["spec"]["template"], address)


def cold(definition: Definition) -> Definition | None:
    """The same with an image that the node has to pull each time; None where that cannot be arranged."""
    found = twin_of(definition.template["spec"]["containers"][0]["image"]) if definition.choice.ours else None
    if found is None:
        return None
    template = deepcopy(definition.template)
    template["spec"]["containers"][0]["image"] = found.reference
    return replace(definition, template=template, twin=found)


def boot(definition: Definition, slot: Slot, request: Request) -> Boot:
    """A copy that answers; of one that does not, or that is interrupted, nothing remains."""
    copy = Handle(definition.choice, definition.namespace, slot.name, "")
    destroy(copy)  # what an interrupted run left
    if definition.twin:
        forget(definition.twin)
    with destroyed_on_failure(_destroy_if_possible, copy):
        return booted(definition, copy, slot, request)


def footprint(copy: Handle) -> Footprint:
    """Of the pod: the service, the pause container that owns its namespaces, and their shim."""
    pids = node.processes(copy.uid)
    if not pids:
        return reported.footprint(copy)
    return Footprint(
        pss_bytes=sum(map(processes.pss_bytes, pids)),
        cgroup_bytes=node.cgroup_bytes(copy.uid),
        cpu_seconds=sum(map(processes.cpu_seconds, pids)),
        disk_instance_bytes=node.written_bytes(copy.uid),
    )


def limits(instance: dict[str, Any]) -> Limits:
    """What the control group of a running pod's container limits; on another machine, what its kubelet reports."""
    status = _running(instance)["status"]["containerStatuses"][0]
    return node.limits(status["containerID"].rpartition("/")[2]) or reported.limits(status)


def artifact(instance: dict[str, Any]) -> str:
    """The digest of the artifact whose image a running pod has."""
    digest = _running(instance)["status"]["containerStatuses"][0]["imageID"].rpartition("@")[2]
    built = artifacts.everything()
    return next((a.digest for a in built if a.variants["slim"].get("image_digest") == digest), "")


def image_bytes(instance: dict[str, Any]) -> int:
    """The image as the node keeps it, unpacked; on another machine, as its kubelet counts it."""
    pod = _running(instance)
    if size := node.image_bytes(pod["metadata"]["uid"]):
        return size
    found = shared(_choice(instance)).get(f"{CORE}/nodes/{pod['spec']['nodeName']}")
    return reported.image_bytes(found, pod["status"]["containerStatuses"][0]["imageID"])


def destroy(copy: Handle) -> None:
    """Remove the pod and its Service; returns when the API server has neither."""
    api = shared(copy.choice)
    api.delete(copy.pod, gracePeriodSeconds=1)
    api.delete(copy.service)
    labelled.until_gone(api, copy.pod)


def remove_copies() -> None:
    """Remove the pods and Services that an interrupted run left."""
    api = shared(chosen())
    for path in labelled.copies(api):
        labelled.remove(api, path, gracePeriodSeconds=1)


def fixed() -> dict[str, tuple[int, float]]:
    """The node and the control plane; empty for a cluster that is not the lab's own, whose processes are not looked for."""
    return node.fixed() if chosen().ours else {}


def ready_seconds() -> float | None:
    """From nothing to a node that takes pods."""
    return node.ready_seconds() if chosen().ours else None


def everything_labelled() -> list[str]:
    """Namespaces with their content, volumes, and the folders below the volumes."""
    return [f"{kind} {name}" for kind, name, _ in labelled.everything()]


def remove_labelled() -> None:
    """Remove them, in the order in which they are listed."""
    for _, name, path in labelled.everything():
        if path:
            labelled.remove(shared(chosen()), path)
        else:
            folder.remove(name)


def with_probe(definition: Definition, settings: dict[str, str]) -> Definition:
    """The same pod with the probe in the service's place, without the kubelet's probes that would end it before it listens."""
    template = deepcopy(definition.template)
    container = template["spec"]["containers"][0]
    command = instead_of([*(container.get("command") or []), *(container.get("args") or [])])
    container["command"], container["args"] = command[:1], command[1:]
    given = [{"name": name, "value": value} for name, value in probe_environment(settings).items()]
    container["env"] = [*(container.get("env") or []), *given]
    for name in ("livenessProbe", "startupProbe"):
        container.pop(name, None)
    return replace(definition, template=template)


# -- inside


def _destroy_if_possible(copy: Handle) -> None:
    """After a failed boot, whose error is the one to report; what remains is removed by the next boot or by gc."""
    with suppress(VmlabError):
        destroy(copy)


def _choice(instance: dict[str, Any]) -> Choice:
    return Choice(Path(instance["kubeconfig"]), instance["context"], bool(instance["ours"]))


def _running(instance: dict[str, Any]) -> dict[str, Any]:
    """A running pod of the stack."""
    api, namespace = shared(_choice(instance)), instance["namespace"]
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{instance['deployment']}"
    found = api.look(path) or {}
    labels = ((found.get("spec") or {}).get("selector") or {}).get("matchLabels") or {"vmlab.none": ""}
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    for pod in api.listed(f"{CORE}/namespaces/{namespace}/pods", labelSelector=selector):
        states = pod["status"].get("containerStatuses") or [{}]
        if "running" in (states[0].get("state") or {}) and not pod["metadata"].get("deletionTimestamp"):
            return pod
    raise VmlabError(f"no pod of the Deployment {instance['deployment']} runs; vmlab up kubernetes")
