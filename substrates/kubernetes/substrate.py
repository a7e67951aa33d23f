"""The service as a Kubernetes Deployment: pods that a scheduler places, a kubelet starts and a Service leads to.

Copies are bare pods made from the Deployment's own template, in a namespace of the same rules and no quota, each behind a
Service that was there before: `accepted` is when the API server has the pod, `sandboxed` when the kubelet says that it looks
for the image, because the sandbox with its address is there by then. `ready` and the rest are a second account of the boot.

What dominates, on the lab's own cluster (2 cores): the sandbox, 0.4 s (scheduler, kubelet, pause container, CNI), and from
listening to ready, 0.3 or 1.3 s: the kubelet looks at containers and asks them once a second, and a service that does not
listen yet at its first question waits for the second. So boots are 1.0 or 2.0 s. kube-proxy leads on within 50 ms.
Left out: jobs, sidecars, other nodes' processes.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clients.http_probe import PAUSE_SECONDS, Answer, ask
from clients.kubernetes.api import Api
from clients.kubernetes.choice import Choice, chosen, connect
from machine import processes
from machine.errors import NeverAnswered, Unavailable, VmlabError
from substrates.boundaries.program import environment as probe_environment
from substrates.boundaries.program import instead_of
from substrates.contract import MILESTONES, Boot, Footprint, Request, Slot, service_stamps
from substrates.inputs import artifact as artifacts
from substrates.inputs import folder
from substrates.kubernetes import node
from substrates.kubernetes.cold_image import Twin, forget, twin_of
from substrates.kubernetes.copies import CORE, LABEL, Address, pod_of, service_of
from substrates.kubernetes.watch import Watch

KIND = "kubernetes"
COPIES = ("boot.",)  # how the label's value begins: boot.<copy>, or <project>.<stack>
OURS = ("vmlab.", *COPIES)
ACCOUNT = ("scheduled", "pulled", "started", "ready")
SETTLE_SECONDS, GONE_SECONDS = 10.0, 60.0
# Between the rule that refuses and the one that leads on, kube-proxy has neither for a moment: a connection of that moment
# waits for an address nobody has, and came through 1.0 s late in four boots of four. A good one takes 0.2 ms.
CONNECT_SECONDS, FAR_SECONDS = 0.02, 1.0


@dataclass(frozen=True)
class Definition:
    """All that is needed to boot one copy."""

    choice: Choice
    namespace: str  # that of the copies
    template: dict[str, Any]
    address: Address
    twin: Twin | None = None  # a cold image, to be forgotten before each boot


@dataclass(frozen=True)
class Handle:
    """A pod, and the Service of the same name."""

    choice: Choice
    namespace: str
    name: str
    uid: str

    @property
    def pod(self) -> str:
        """The pod's path in the API."""
        return f"{CORE}/namespaces/{self.namespace}/pods/{self.name}"

    @property
    def service(self) -> str:
        """The Service's path in the API."""
        return f"{CORE}/namespaces/{self.namespace}/services/{self.name}"


# -- fresh copies, as `contract` has them


def definition(instance: dict[str, Any]) -> Definition:
    """The Deployment's own template, and how its Service is reached."""
    choice = _choice(instance)
    namespace = f"namespaces/{instance['namespace']}"
    deployment = _api(choice).look(f"/apis/apps/v1/{namespace}/deployments/{instance['deployment']}")
    service = _api(choice).look(f"{CORE}/{namespace}/services/{instance['service']}")
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
    """A copy that answers; of one that does not, or that is broken off, nothing is left."""
    copy = Handle(definition.choice, definition.namespace, slot.name, "")
    destroy(copy)  # what an interrupted run left
    if definition.twin:
        forget(definition.twin)
    try:
        return _booted(definition, copy, slot, request)
    except BaseException:
        # Where this fails too the first error says more, and what stays goes with the next boot or with gc.
        with suppress(VmlabError):
            destroy(copy)
        raise


def _booted(definition: Definition, copy: Handle, slot: Slot, request: Request) -> Boot:
    """Make the pod and ask through its Service; not before the pod is ready, which is sooner than the Service leads to it."""
    api, namespace = _api(definition.choice), definition.namespace
    url = _service(api, definition, copy)
    pod = pod_of(definition.template, slot.name, request.nonce)
    with Watch(api, namespace, slot.name, request.seconds) as watch:
        stamps = {"requested": time.monotonic_ns()}
        made = api.create(f"{CORE}/namespaces/{namespace}/pods", pod)
        stamps["accepted"] = time.monotonic_ns()
        copy = replace(copy, uid=made["metadata"]["uid"])
        deadline = stamps["requested"] + int(request.seconds * 1e9)
        ready = watch.until("ready", deadline)
        near = CONNECT_SECONDS if definition.choice.ours else FAR_SECONDS
        answer = _first_answer(f"{url}{request.path}", deadline, request.expected, near) if ready else None
        watch.until("started", time.monotonic_ns() + int(5e8) if answer else 0)  # the event may come behind
        seen, said, trouble = dict(watch.stamps_ns), list(watch.said), watch.trouble
    stamps |= _sandboxed(seen)
    log = _log(api, copy)
    if definition.choice.ours:  # another's cluster may have another clock
        stamps |= service_stamps(log)
    if answer is None:
        lines = [*said, *([trouble] if trouble else []), *log.splitlines()]
        raise NeverAnswered(slot.name, max(stamps, key=MILESTONES.index), request.seconds, lines)
    account = {name: (seen[name] - stamps["requested"]) / 1e9 for name in ACCOUNT if name in seen}
    return Boot(copy, {**stamps, "answered": answer.at_ns}, url=url, checks_seconds=account)


def footprint(copy: Handle) -> Footprint:
    """Of the pod: the service, the pause container that holds its namespaces, and their shim."""
    pids = node.processes(copy.uid)
    if not pids:
        return _told(copy)
    return Footprint(
        pss_bytes=sum(map(processes.pss_bytes, pids)),
        cgroup_bytes=node.cgroup_bytes(copy.uid),
        cpu_seconds=sum(map(processes.cpu_seconds, pids)),
        disk_instance_bytes=node.written_bytes(copy.uid),
    )


def limits(instance: dict[str, Any]) -> dict[str, float | int | bool]:
    """What the control group of a running pod holds it to; on another machine, what its kubelet says that it does."""
    status = _running(instance)["status"]["containerStatuses"][0]
    found = node.limits(status["containerID"].rpartition("/")[2])
    return found or _told_limits(status)


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
    found = _api(_choice(instance)).get(f"{CORE}/nodes/{pod['spec']['nodeName']}")
    wanted = pod["status"]["containerStatuses"][0]["imageID"]
    return next((i["sizeBytes"] for i in found["status"]["images"] if wanted in (i.get("names") or [])), 0)


def destroy(copy: Handle) -> None:
    """Remove the pod and its Service; done when the API server has neither."""
    api = _api(copy.choice)
    api.delete(copy.pod, gracePeriodSeconds=1)
    api.delete(copy.service)
    _until_gone(api, copy.pod)


def remove_copies() -> None:
    """Remove the pods and Services that an interrupted run left."""
    api = _api(chosen())
    for kind in ("pods", "services"):
        for found in _labelled(api, f"{CORE}/{kind}", COPIES):
            path = f"{CORE}/namespaces/{found['metadata']['namespace']}/{kind}/{found['metadata']['name']}"
            api.delete(path, gracePeriodSeconds=1)
            _until_gone(api, path)


def fixed() -> dict[str, tuple[int, float]]:
    """The node and the control plane; nothing of somebody else's cluster, whose processes are not looked for."""
    return node.fixed() if chosen().ours else {}


def ready_seconds() -> float | None:
    """From nothing to a node that takes pods."""
    return node.ready_seconds() if chosen().ours else None


def everything_labelled() -> list[str]:
    """Namespaces with what is in them, volumes, and the folders below the volumes."""
    return [f"{kind} {name}" for kind, name, _ in _everything()]


def remove_labelled() -> None:
    """Remove them, namespaces first, because their claims hold on to the volumes."""
    for _, name, path in _everything():
        if path:
            api = _api(chosen())
            api.delete(path)
            _until_gone(api, path)
        else:
            folder.remove(name)


# -- the cluster

_apis: dict[Choice, Api] = {}


def _api(choice: Choice) -> Api:
    if choice not in _apis:
        _apis[choice] = connect(choice)
    return _apis[choice]


def _choice(instance: dict[str, Any]) -> Choice:
    return Choice(Path(instance["kubeconfig"]), instance["context"], bool(instance["ours"]))


def _service(api: Api, definition: Definition, copy: Handle) -> str:
    """Make the copy's Service and wait until it leads somewhere: to a refusal, for nobody is behind it yet. Where it is."""
    made = api.create(
        copy.service.rpartition("/")[0],
        service_of(definition.template, copy.name, definition.address),
    )
    deadline = time.monotonic() + SETTLE_SECONDS
    while not (url := definition.address.url(made)) or (definition.choice.ours and not _refuses(url)):
        if time.monotonic() > deadline:
            raise VmlabError(f"the Service {copy.name} leads nowhere; is kube-proxy up? vmlab host status")
        time.sleep(0.02)
        made = api.get(copy.service)
    return url


def _refuses(url: str) -> bool:
    """Whether a connection is refused at once. One that kube-proxy does not know yet would wait for an address nobody has."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), 0.05).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _first_answer(url: str, deadline_ns: int, nonce: str, connect_seconds: float) -> Answer | None:
    """As `probe.first_answer`, with little patience for a connection."""
    wanted = nonce.encode()
    while time.monotonic_ns() < deadline_ns:
        answer = ask(url, min(2.0, max(0.001, (deadline_ns - time.monotonic_ns()) / 1e9)), connect_seconds)
        if answer is not None and answer.status == 200 and wanted in answer.body:
            return answer
        time.sleep(PAUSE_SECONDS)
    return None


def _sandboxed(seen: dict[str, int]) -> dict[str, int]:
    found = [seen[name] for name in ("pulling", "pulled", "created", "started") if name in seen]
    return {"sandboxed": min(found)} if found else {}


def _log(api: Api, copy: Handle) -> str:
    try:
        return api.text(f"{copy.pod}/log", tailLines="40")
    except VmlabError:  # a container that was never made has none
        return ""


def _running(instance: dict[str, Any]) -> dict[str, Any]:
    """A pod of the stack that runs."""
    api, namespace = _api(_choice(instance)), instance["namespace"]
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{instance['deployment']}"
    found = api.look(path) or {}
    labels = ((found.get("spec") or {}).get("selector") or {}).get("matchLabels") or {"vmlab.none": ""}
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    for pod in api.listed(f"{CORE}/namespaces/{namespace}/pods", labelSelector=selector):
        states = pod["status"].get("containerStatuses") or [{}]
        if "running" in (states[0].get("state") or {}) and not pod["metadata"].get("deletionTimestamp"):
            return pod
    raise VmlabError(f"no pod of the Deployment {instance['deployment']} runs; vmlab up kubernetes")


def _told(copy: Handle) -> Footprint:
    """What the kubelet of another machine says of the pod; its PSS nobody can tell."""
    api = _api(copy.choice)
    host = api.get(copy.pod)["spec"]["nodeName"]
    rows = api.get(f"{CORE}/nodes/{host}/proxy/stats/summary")["pods"]
    found: dict[str, Any] = next((row for row in rows if row["podRef"]["uid"] == copy.uid), {})
    return Footprint(
        pss_bytes=None,
        cgroup_bytes=(found.get("memory") or {}).get("workingSetBytes"),
        cpu_seconds=(found.get("cpu") or {}).get("usageCoreNanoSeconds", 0) / 1e9,
        disk_instance_bytes=(found.get("ephemeral-storage") or {}).get("usedBytes", 0),
    )


def _told_limits(status: dict[str, Any]) -> dict[str, float | int | bool]:
    given = (status.get("resources") or {}).get("limits") or {}
    cpu, memory = str(given.get("cpu", "0")), str(given.get("memory", "0"))
    scale = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}.get(memory[-2:], 1)
    cpus = float(cpu[:-1]) / 1000 if cpu.endswith("m") else float(cpu)
    size = int(memory.rstrip("KMGi")) * scale
    return {"cpus": cpus, "memory_bytes": size, "enforced": bool(cpus and size)}


def _labelled(api: Api, path: str, owners: tuple[str, ...]) -> list[dict[str, Any]]:
    """Objects with the lab's label and a name of the lab's; somebody else's look-alikes have at most one of the two."""
    return [
        found
        for found in api.listed(path, labelSelector=LABEL)
        if str(found["metadata"]["labels"][LABEL]).startswith(owners)
        and found["metadata"]["name"].startswith("vmlab-")
    ]


def _everything() -> list[tuple[str, str, str]]:
    """Kind, name and path in the API; a folder has no path."""
    found: list[tuple[str, str, str]] = []
    try:
        api = _api(chosen())
        for kind, plural in (("namespace", "namespaces"), ("volume", "persistentvolumes")):
            names = [row["metadata"]["name"] for row in _labelled(api, f"{CORE}/{plural}", OURS)]
            found += [(kind, name, f"{CORE}/{plural}/{name}") for name in names]
    except Unavailable:  # then there are no objects, and folders all the same
        pass
    return found + [("folder", name, "") for name in folder.names()]


def _until_gone(api: Api, path: str) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while api.look(path) is not None:
        if time.monotonic() > deadline:
            raise VmlabError(
                f"{path} does not go within {GONE_SECONDS:g} s; kubectl get -o yaml shows its finalizers"
            )
        time.sleep(0.02)


# -- the probe of `boundaries`


def with_probe(definition: Definition, settings: dict[str, str]) -> Definition:
    """The same pod with the probe in the service's place. It listens only when it has looked; kubelet's probes that would end
    it meanwhile are left out."""
    template = deepcopy(definition.template)
    container = template["spec"]["containers"][0]
    command = instead_of([*(container.get("command") or []), *(container.get("args") or [])])
    container["command"], container["args"] = command[:1], command[1:]
    given = [{"name": name, "value": value} for name, value in probe_environment(settings).items()]
    container["env"] = [*(container.get("env") or []), *given]
    for name in ("livenessProbe", "startupProbe"):
        container.pop(name, None)
    return replace(definition, template=template)
