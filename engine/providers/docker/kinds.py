"""The kinds of resources and the functions of the provider, by token. A function looks at something that another program made.

Separate from the servicer, so that importing that does not import the Docker SDK (0.2 s).
Out of scope: getLogs, getPlugin, getRegistryImage, getRegistryImageManifests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import grpc

from engine.providers.docker import container, image, network, remote_image, volume
from engine.providers.docker.docker_daemon import DockerDaemon, RefusalError
from engine.providers.docker.kind import Kind, Plain

KINDS: Mapping[str, Kind] = {
    module.TYPE: module.KIND for module in (image, remote_image, container, network, volume)
}


def get_network(daemon: DockerDaemon, args: Plain) -> Plain:
    """`docker:index/getNetwork:getNetwork`."""
    found = daemon.look(daemon.client.inspect_network, args["name"])
    if found is None:
        raise RefusalError(grpc.StatusCode.NOT_FOUND, f"there is no network {args['name']}")
    return {
        "id": found["Id"],
        "name": found["Name"],
        "driver": found["Driver"],
        "internal": found["Internal"],
        "scope": found["Scope"],
        "options": found.get("Options") or {},
        "ipamConfigs": network.ipam_configs(found),
        "containers": [_endpoint(id_, row) for id_, row in (found.get("Containers") or {}).items()],
    }


def get_remote_image(daemon: DockerDaemon, args: Plain) -> Plain:
    """`docker:index/getRemoteImage:getRemoteImage`."""
    found = daemon.image(args["name"])
    if found is None:
        raise RefusalError(grpc.StatusCode.NOT_FOUND, f"there is no image {args['name']} here")
    return {"id": found["Id"], "name": args["name"], "repoDigest": (found.get("RepoDigests") or [""])[0]}


def _endpoint(id_: str, row: Plain) -> Plain:
    return {
        "containerId": id_,
        "name": row.get("Name"),
        "endpointId": row.get("EndpointID"),
        "macAddress": row.get("MacAddress"),
        "ipv4Address": row.get("IPv4Address"),
        "ipv6Address": row.get("IPv6Address"),
    }


FUNCTIONS: Mapping[str, Callable[[DockerDaemon, Plain], Plain]] = {
    "docker:index/getNetwork:getNetwork": get_network,
    "docker:index/getRemoteImage:getRemoteImage": get_remote_image,
}
