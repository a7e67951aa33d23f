"""The service as a Docker container: its own namespaces and cgroup on the host's kernel.

Copies are made from the stack's own container as Docker describes it, with another name, port and nonce, and a fresh
anonymous volume. A boot is what `docker run -d` does: create, then start. Out of scope: Swarm, remote daemons.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import docker.errors
import requests.exceptions

from clients.docker import shared as _api
from machine import addresses, cgroups, processes
from machine.errors import VmlabError
from substrates.boundaries.program import environment as probe_environment
from substrates.boundaries.program import instead_of
from substrates.contract import Boot, Footprint, Limits, Request, Slot, destroyed_on_failure, first_boot
from substrates.inputs import artifact as artifacts

KIND = "docker"
LABEL = "vmlab.stack"
COPIES = ("boot/",)  # how the label's value begins: boot/<copy>, or <project>/<stack>
OURS = ("vmlab/", *COPIES)
KEPT = (
    "Image",
    "Cmd",
    "Entrypoint",
    "Env",
    "User",
    "ExposedPorts",
    "WorkingDir",
    "StopSignal",
    "StopTimeout",
)
IMAGES = f"{addresses.REPOSITORY}/"  # where host/artifact pushes


@dataclass(frozen=True)
class Definition:
    """The arguments of the API's create call for a copy; `port` is inside the container."""

    config: dict[str, Any]
    port: str  # "8080/tcp"


@dataclass(frozen=True)
class Handle:
    """A container."""

    id: str
    name: str
    port: int


# -- fresh copies, as `contract` has them


def definition(instance: dict[str, Any]) -> Definition:
    """The stack's own container, as a create call."""
    found = _inspect(instance["id"])
    host, config = dict(found["HostConfig"]), found["Config"]
    port = next(iter(host["PortBindings"]))
    host["RestartPolicy"] = {"Name": "no"}
    host["Mounts"] = [
        m if m["Type"] != "volume" else {"Type": "volume", "Target": m["Target"]} for m in host["Mounts"]
    ]
    networks: dict[str, Any] = {name: {} for name in found["NetworkSettings"]["Networks"]}
    create = {key: config.get(key) for key in KEPT if config.get(key) is not None}
    return Definition({**create, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": networks}}, port)


def boot(definition: Definition, slot: Slot, request: Request) -> Boot:
    """Create and start a copy; `sandboxed` is when the start call has returned.

    It is not asked earlier: docker-proxy would connect to an address that does not exist yet, and the kernel repeats its ARP
    request only after a second; the answer was seen 735 ms late. The service needs another 5 to 30 ms until it listens.
    """
    api = _api()
    config = _config_of(definition, slot, request)
    _remove(slot.name)
    stamps = {"requested": time.monotonic_ns()}
    made = api.create_container_from_config(config, name=slot.name)  # type: ignore[no-untyped-call]
    stamps["accepted"] = time.monotonic_ns()
    handle = Handle(made["Id"], slot.name, slot.port)
    with destroyed_on_failure(destroy, handle):
        error = _start(handle)
        stamps["sandboxed"] = time.monotonic_ns()
        url = f"http://{addresses.LOOPBACK}:{slot.port}"
        return first_boot(handle, url, slot, request, stamps, lambda: _log(handle.id), failed=error)


def footprint(copy: Handle) -> Footprint:
    """Of the container's processes and of those that run for it: its shim and its port proxies."""
    found = _inspect(copy.id, size=True)
    main = found["State"]["Pid"]
    pids = [*processes.tree(main), *_helpers(main, copy.port)]
    volumes = [Path(m["Source"]) for m in found["Mounts"] if m["Type"] == "volume"]
    written = sum(f.lstat().st_blocks * 512 for volume in volumes for f in volume.rglob("*"))
    return Footprint(
        pss_bytes=sum(map(processes.pss_bytes, pids)),
        cgroup_bytes=cgroups.memory_bytes(main),
        cpu_seconds=sum(map(processes.cpu_seconds, pids)),
        disk_instance_bytes=(found.get("SizeRw") or 0) + written,
    )


def limits(instance: dict[str, Any]) -> Limits:
    """What the running container's own cgroup limits, by its process; Docker's record may differ from it."""
    pid = _inspect(instance["id"])["State"]["Pid"]
    held = cgroups.held(pid) if pid else None
    if held is None:
        raise VmlabError(f"the container {instance['id']} is not running; next: vmlab up docker")
    return Limits(held.cpus, held.memory_bytes, enforced=bool(held.cpus and held.memory_bytes))


def artifact(instance: dict[str, Any]) -> str:
    """The digest of the artifact whose image the running container has."""
    image = _inspect(instance["id"])["Image"]
    built = artifacts.everything()
    return next((a.digest for a in built if a.variants["slim"].get("image_id") == image), "")


def image_bytes(instance: dict[str, Any]) -> int:
    """The unpacked size of its image in Docker."""
    image = _inspect(instance["id"])["Image"]
    found: dict[str, Any] = _api().inspect_image(image)  # type: ignore[no-untyped-call]
    return int(found["Size"])


def destroy(copy: Handle) -> None:
    """Remove a copy with its anonymous volume; returns when Docker reports it gone."""
    _remove(copy.id)


def remove_copies() -> None:
    """Remove the copies of an interrupted run; the stack's network cannot be removed while they use it."""
    _remove_all(_labelled(COPIES))


def everything_labelled() -> list[str]:
    """Containers, networks, volumes and images with the lab's label, and images of its artifacts that no container uses."""
    return [f"{kind} {name}" for kind, name, _ in [*_labelled(OURS), *_pulled()]]


def remove_labelled() -> None:
    """Remove them, containers first, because they use the others."""
    _remove_all(_labelled(OURS))
    _remove_all(_pulled())


def _remove_all(things: Iterable[tuple[str, str, Callable[[], object]]]) -> None:
    failed = []
    for kind, name, remove in things:
        try:
            remove()
        except docker.errors.NotFound:
            continue
        except docker.errors.APIError as error:
            failed.append(f"{kind} {name}: {error.explanation}")
    if failed:
        raise VmlabError("Docker cannot remove " + "; ".join(failed))


# -- Docker


def _start(handle: Handle) -> str:
    """Start the container; Docker's explanation if it does not start."""
    try:
        _api().start(handle.id)
    except docker.errors.APIError as error:
        return f"docker: {error.explanation}"
    return ""


def _inspect(container: str, *, size: bool = False) -> dict[str, Any]:
    api = _api()
    try:
        url = f"{api.base_url}/v{api.api_version}/containers/{container}/json"
        answer = api.get(url, params={"size": "true"} if size else {}, timeout=30)
        answer.raise_for_status()
    except requests.exceptions.RequestException as error:
        raise VmlabError(f"Docker has no container {container} ({error}); next: vmlab up docker") from None
    found: dict[str, Any] = answer.json()
    return found


def _config_of(definition: Definition, slot: Slot, request: Request) -> dict[str, Any]:
    host = dict(definition.config["HostConfig"])
    host["PortBindings"] = {definition.port: [{"HostIp": addresses.LOOPBACK, "HostPort": str(slot.port)}]}
    environment = [*definition.config.get("Env", []), f"NONCE={request.nonce}"]
    labels = {LABEL: f"boot/{slot.name}"}
    return {**definition.config, "Env": environment, "HostConfig": host, "Labels": labels}


def _log(container: str) -> str:
    raw: bytes = _api().logs(container, stdout=True, stderr=True, tail=40)
    return raw.decode(errors="replace")


def _remove(container: str) -> None:
    _remove_all([("container", container, partial(_api().remove_container, container, v=True, force=True))])


def _labelled(owners: tuple[str, ...]) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """What is ours, in the order in which it can be removed, and how.

    The docker provider labels other programs' objects too; ours are those of the project and the copies."""
    api, labelled = _api(), {"label": LABEL}

    def ours(found: dict[str, Any]) -> bool:
        return str((found.get("Labels") or {}).get(LABEL)).startswith(owners)

    for found in filter(ours, api.containers(all=True, filters=labelled)):
        name = found["Names"][0].lstrip("/")
        yield "container", name, partial(api.remove_container, found["Id"], v=True, force=True)
    for found in filter(ours, api.networks(filters=labelled)):
        yield "network", found["Name"], partial(api.remove_network, found["Id"])
    for found in filter(ours, api.volumes(filters=labelled)["Volumes"] or []):
        yield "volume", found["Name"], partial(api.remove_volume, found["Name"], force=True)
    for found in filter(ours, api.images(filters=labelled)):
        yield "image", _image_name(found), partial(api.remove_image, found["Id"], force=True)


def _pulled() -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Images of the lab's artifacts that no container uses; a killed ladder leaves them. They have no label, because their
    bytes must be the same everywhere; their name is our registry's."""
    api = _api()
    for found in api.images():
        name = _image_name(found)
        if name.startswith(IMAGES) and not api.containers(all=True, filters={"ancestor": found["Id"]}):
            yield "image", name, partial(api.remove_image, found["Id"])


def _image_name(found: dict[str, Any]) -> str:
    return str((found["RepoTags"] or found["RepoDigests"] or [found["Id"]])[0])


def _helpers(main: int, port: int) -> list[int]:
    """The shim (the parent of the container's first process) and the proxies of its published port."""
    shim = processes.parent(main)
    proxies = processes.by_command("docker-proxy", "-host-port", str(port))
    return [*([shim] if shim > 1 else []), *proxies]


# -- the probe of `boundaries`


def with_probe(definition: Definition, settings: dict[str, str]) -> Definition:
    """The same container with the probe in the service's place."""
    config = definition.config
    command = instead_of([*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])])
    given = [f"{name}={value}" for name, value in probe_environment(settings).items()]
    own = {"Entrypoint": command[:1], "Cmd": command[1:], "Env": [*(config.get("Env") or []), *given]}
    return replace(definition, config={**config, **own})
