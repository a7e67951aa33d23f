"""The provider's functions: look at something that another program made.

Out of scope: getLogs, getPlugin, getRegistryImage, getRegistryImageManifests.
"""

from __future__ import annotations

import grpc
from docker.errors import NotFound

from engine.providers.docker.docker_daemon import DockerDaemon, RefusalError
from engine.providers.docker.kind import Plain


def get_network(daemon: DockerDaemon, args: Plain) -> Plain:
    """`docker:index/getNetwork:getNetwork`."""
    try:
        found = daemon.client.inspect_network(args["name"])
    except NotFound as error:
        raise RefusalError(grpc.StatusCode.NOT_FOUND, f"there is no network {args['name']}") from error
    names = (("Subnet", "subnet"), ("Gateway", "gateway"), ("IPRange", "ipRange"))
    configs = (found.get("IPAM") or {}).get("Config") or []
    return {
        "id": found["Id"],
        "name": found["Name"],
        "driver": found["Driver"],
        "internal": found["Internal"],
        "scope": found["Scope"],
        "options": found.get("Options") or {},
        "ipamConfigs": [{ours: row[docker] for docker, ours in names if row.get(docker)} for row in configs],
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
