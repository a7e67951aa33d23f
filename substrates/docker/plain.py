"""A Docker container without a stack: what the ladder boots, on the host's network or behind Docker's own bridge.

Unlike the stack `docker` it has no network and no volume that must be made first; that substrate boots and destroys it.
Out of scope: everything that has to be kept.
"""

from __future__ import annotations

from contextlib import suppress

import docker.errors
import requests.exceptions

from clients.docker import shared
from machine import addresses
from machine.errors import Unavailable
from substrates.docker.substrate import Definition
from substrates.inputs.artifact import Artifact

NETWORKS = ("host", "bridge")
PIDS = 256


def definition(
    artifact: Artifact, variant: str, network: str, port: int, cpus: float, memory_bytes: int
) -> Definition:
    """A create call for the service or `null`. `port` is the host's, and on the host's network the service's own."""
    is_null = variant == "null"
    inside = port if network == "host" else artifact.port
    own = {} if is_null else artifact.environment
    environment = {**own, "PORT": str(inside), "DATA_DIR": "/tmp"}
    if network == "host":
        environment["BIND"] = addresses.LOOPBACK
    command = ["/null"] if is_null else artifact.command_inside()
    config = {
        "Image": artifact.variants["null" if is_null else "slim"]["image_id"],
        "Entrypoint": command[:1],
        "Cmd": command[1:],
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "User": f"{addresses.USER}:{addresses.USER}",
        "ExposedPorts": {f"{inside}/tcp": {}},
        "HostConfig": _held(network, cpus, memory_bytes),
    }
    return Definition(config, f"{inside}/tcp")


def fetch_image(artifact: Artifact, variant: str) -> str:
    """Pull the image if Docker does not have it; what was pulled and is to be removed later, "" if it was there already."""
    of_variant = artifact.variants["null" if variant == "null" else "slim"]
    api = shared()
    try:
        try:
            api.inspect_image(of_variant["image_id"])  # type: ignore[no-untyped-call]
            return ""
        except docker.errors.ImageNotFound:
            api.pull(of_variant["image"])
            return str(of_variant["image"])
    except docker.errors.APIError as error:
        raise Unavailable(
            f"Docker cannot pull {of_variant['image']} ({error.explanation})", "vmlab host up"
        ) from None
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise Unavailable(f"cannot reach Docker ({error})", "vmlab host up docker") from None


def forget_image(image: str) -> None:
    """Remove an image that was pulled; one that is in use stays."""
    with suppress(Unavailable, docker.errors.DockerException, requests.exceptions.RequestException):
        shared().remove_image(image)


def _held(network: str, cpus: float, memory_bytes: int) -> dict[str, object]:
    """The limits and the hardening of the stack `docker`, whose boot sets the published port."""
    return {
        "NetworkMode": network,
        "NanoCpus": int(cpus * 1e9),
        "Memory": memory_bytes,
        "MemorySwap": memory_bytes,
        "PidsLimit": PIDS,
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size=16m,uid={addresses.USER},gid={addresses.USER}"},
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Init": True,
        "RestartPolicy": {"Name": "no"},
        "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 1024}],
    }
