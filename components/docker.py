"""The service as a Docker container: its own namespaces and cgroup, hardened, on its own bridge network."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_docker as docker

from components.secret import secret_file
from components.spec import ServiceArgs, conditions, object_name, probe, require_port
from machine import addresses, ports

SUBSTRATE = "docker"
SECRET_PATH = "/run/secrets/service"
USER = f"{addresses.USER}:{addresses.USER}"


class DockerService(pulumi.ComponentResource):
    """Image, network, volume and container."""

    outputs: dict[str, Any]

    def __init__(self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        require_port(args)
        ports.refuse_taken(args.port, unless="docker-proxy")  # Docker itself knows whose port that is
        super().__init__("vmlab:index:DockerService", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        slim = args.artifact.variants["slim"]
        image = docker.RemoteImage(
            f"{name}-image", name=f"{slim['image'].rpartition(':')[0]}@{slim['image_digest']}", opts=child
        )
        network = docker.Network(
            f"{name}-network", name=object_name(name, "network"), driver="bridge", opts=child
        )
        volume = docker.Volume(f"{name}-volume", name=object_name(name, "volume"), opts=child)
        secret = secret_file(name, args, child)
        container = docker.Container(
            f"{name}-container",
            name=object_name(name, "container"),
            image=image.image_id,
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.name)],
            mounts=[_data(volume.name), *([_secret(secret.path)] if secret else [])],
            ports=[_published(args)],
            envs=_environment(args),
            command=args.artifact.command_inside()[1:],
            entrypoints=args.artifact.command_inside()[:1],
            cpus=str(args.cpus),
            memory=args.memory_bytes // 1024**2,
            memory_swap=args.memory_bytes // 1024**2,
            **_hardened(),
            opts=child,
        )
        self.outputs = {
            "substrate": SUBSTRATE,
            "url": f"http://{addresses.LOOPBACK}:{args.port}",
            "instance": {**probe(args), "id": container.id, "name": container.name},
            "artifact": args.artifact.digest,
            "limits": {"cpus": args.cpus, "memory_bytes": args.memory_bytes, "enforced": True},
            "conditions": conditions(runtime="runc", network="bridge, published on loopback", variant="slim"),
        }
        self.register_outputs(self.outputs)


def _hardened() -> dict[str, Any]:
    """Everything of the CIS benchmark that the service can live with (docs/engine-rules.md 4.1)."""
    return {
        "user": USER,
        "read_only": True,
        "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=16m"},
        "capabilities": docker.ContainerCapabilitiesArgs(drops=["ALL"]),
        "security_opts": ["no-new-privileges"],
        "init": True,
        "restart": "on-failure",
        "max_retry_count": 5,
        "must_run": True,
        "destroy_grace_seconds": 10,
        "ulimits": [docker.ContainerUlimitArgs(name="nofile", soft=1024, hard=1024)],
    }


def _environment(args: ServiceArgs) -> list[str]:
    members = {
        **args.artifact.environment,
        **args.environment,
        "PORT": str(args.artifact.port),
        "DATA_DIR": "/data",
    }
    if args.secret is not None:
        members["SECRET_FILE"] = SECRET_PATH
    return [f"{name}={value}" for name, value in sorted(members.items())]


def _data(volume: pulumi.Input[str]) -> docker.ContainerMountArgs:
    return docker.ContainerMountArgs(type="volume", source=volume, target="/data")


def _published(args: ServiceArgs) -> docker.ContainerPortArgs:
    return docker.ContainerPortArgs(internal=args.artifact.port, external=args.port, ip=addresses.LOOPBACK)


def _secret(path: pulumi.Input[str]) -> docker.ContainerMountArgs:
    return docker.ContainerMountArgs(type="bind", source=path, target=SECRET_PATH, read_only=True)
