"""The kinds of resources and the functions of the provider, by token.

A module of its own so that importing the servicer does not import the Docker SDK (0.2 s).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.providers.docker import container, image, lookups, network, remote_image, volume
from engine.providers.docker.docker_daemon import DockerDaemon
from engine.providers.docker.kind import Kind, Plain

KINDS: Mapping[str, Kind] = {
    module.TYPE: module.KIND for module in (image, remote_image, container, network, volume)
}
FUNCTIONS: Mapping[str, Callable[[DockerDaemon, Plain], Plain]] = {
    "docker:index/getNetwork:getNetwork": lookups.get_network,
    "docker:index/getRemoteImage:getRemoteImage": lookups.get_remote_image,
}
