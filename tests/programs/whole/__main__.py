"""The engine's test program: one component with three dynamic resources, a network, a volume and two containers."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pulumi_docker as docker
from files import File

config = pulumi.Config()
directory = Path(config.require("directory"))
stack = pulumi.get_stack()


class Site(pulumi.ComponentResource):
    """Two containers on their own network, and three files that say what they are."""

    def __init__(self, name: str):
        super().__init__("whole:index:Site", name)
        mine = pulumi.ResourceOptions(parent=self)
        self.files = [
            File(f"{name}-{i}", str(directory / f"{stack}-{i}.txt"), config.get("text") or "first", mine)
            for i in range(2)
        ]
        token = config.get_secret("token") or "open"
        self.files.append(File(f"{name}-token", str(directory / f"{stack}-token.txt"), token, mine))
        image = docker.Image(
            f"{name}-image",
            image_name=f"vmlab-test-{stack}:latest",
            build=docker.DockerBuildArgs(
                context=config.require("context"), dockerfile=f"{config.require('context')}/Dockerfile"
            ),
            skip_push=True,
            opts=mine,
        )
        network = docker.Network(f"{name}-network", name=f"vmlab-test-{stack}", internal=True, opts=mine)
        volume = docker.Volume(f"{name}-volume", name=f"vmlab-test-{stack}", opts=mine)
        self.first = self._container(
            f"{name}-first",
            image,
            network,
            volume,
            mine,
            envs=[f"GREETING={config.get('greeting') or 'hello'}"],
        )
        self.second = self._container(
            f"{name}-second", image, network, volume, mine, memory=int(config.get("memory") or 64)
        )
        self.register_outputs({"first": self.first.name, "second": self.second.name})

    def _container(self, name, image, network, volume, opts, **kwargs) -> docker.Container:
        return docker.Container(
            name,
            name=f"vmlab-test-{stack}-{name}",
            image=image.image_name,
            command=["/busybox", "sleep", "3600"],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.name)],
            mounts=[docker.ContainerMountArgs(type="volume", source=volume.name, target="/data")],
            must_run=True,
            destroy_grace_seconds=0,
            opts=opts,
            **kwargs,
        )


site = Site("site")
pulumi.export("first", site.first.name)
pulumi.export("sizes", [file.size for file in site.files])
pulumi.export("token", config.get_secret("token"))
